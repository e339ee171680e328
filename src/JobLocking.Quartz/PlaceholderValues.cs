using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using JobLocking.Policy;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The values of the placeholders in the name of a lock: <c>{key}</c> for a value of the merged job data, <c>{input}</c> and
/// <c>{input.Property}</c> for the input of an <see cref="IJob{TInput}"/>.
/// </summary>
/// <remarks>
/// Every store keeps an input as JSON and reads it back as its type. Job data stays as it is in memory, but is JSON without types in
/// other stores, so each of its values, and each value on a path in it, goes through <see cref="JobDataValue"/>.
/// </remarks>
internal sealed class PlaceholderValues(IJobExecutionContext context, Type? type, LockPolicy policy)
{
    private const string Input = "input";

    private static readonly MethodInfo ReadTyped =
        new Func<IJobExecutionContext, object?>(Read<object>).Method.GetGenericMethodDefinition();

    private static readonly ConcurrentDictionary<Type, Func<IJobExecutionContext, object?>?> Readers = [];

    /// <exception cref="TaskLockException">The name has a property of an input that the type of the input does not have.</exception>
    public static void Check(LockPolicy? policy, Type? job)
    {
        string[] problems = [.. policy?.MissingProperties(root => root == Input && job is not null ? InputOf(job) : null) ?? []];
        if (problems.Length > 0)
        {
            throw new TaskLockException(string.Join(Environment.NewLine, problems));
        }
    }

    /// <exception cref="TaskLockException">The value has no text that is the same from every store.</exception>
    public object? ValueOf(string placeholder) => Data(placeholder) is { } value
        ? JobDataValue.Of(value) ?? throw new TaskLockException(
            $"Lock '{policy.Template}' of job {policy.Job}: placeholder {{{placeholder}}} has a value of type {value.GetType()} "
            + "with more digits than a persistent store keeps. Fix: store it in the job data as a string.")
        : placeholder == Input && type is not null ? Readers.GetOrAdd(type, ReaderOf)?.Invoke(context) : null;

    /// <summary>The value of a key, or of a path in it. A persistent store reads an object back as a dictionary.</summary>
    private object? Data(string placeholder)
    {
        if (context.MergedJobDataMap.TryGetValue(placeholder, out object? value) && value is not null)
        {
            return value;
        }

        string[] path = placeholder.Split('.');
        if (path.Length == 1 || !context.MergedJobDataMap.TryGetValue(path[0], out value))
        {
            return null;
        }

        foreach (string property in path.Skip(1))
        {
            value = value is IDictionary members
                ? members[property]
                : value is null ? null : LockPolicy.ReadProperty(value, property);
        }

        return value;
    }

    // Only the serializer of Quartz, which the context does not show, can read a stored input, and only as its type.
    private static Func<IJobExecutionContext, object?>? ReaderOf(Type type) =>
        InputOf(type) is { } input ? ReadTyped.MakeGenericMethod(input).CreateDelegate<Func<IJobExecutionContext, object?>>() : null;

    private static Type? InputOf(Type job) =>
        job.GetInterfaces().FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IJob<>))
            ?.GetGenericArguments()[0];

    private static object? Read<TInput>(IJobExecutionContext context) => context.TryGetInput(out TInput? input) ? input : null;
}
