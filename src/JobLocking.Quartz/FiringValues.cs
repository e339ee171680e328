using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using JobLocking.Policy;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// What the placeholders of a lock's name stand for: <c>{key}</c> for a value of the merged job data, <c>{input}</c> and
/// <c>{input.Property}</c> for the input of an <see cref="IJob{TInput}"/>.
/// </summary>
/// <remarks>
/// Every store keeps an input as JSON and reads it back as its type. Job data is kept as it is in memory and as JSON without types
/// elsewhere, so that each of its values, and what a path finds in it, goes through <see cref="StoredValue"/>.
/// </remarks>
internal sealed class FiringValues(IJobExecutionContext context, Type? type, LockPolicy policy)
{
    private const string Input = "input";

    private static readonly MethodInfo ReadTyped = new Func<IJobExecutionContext, object?>(Read<object>).Method.GetGenericMethodDefinition();

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
        ? StoredValue.Of(value) ?? throw new TaskLockException(
            $"Lock '{policy.Template}' of job {policy.Job}: placeholder {{{placeholder}}} has a value of type {value.GetType()} "
            + "with more digits than a persistent store keeps. Fix: store it in the job data as a string.")
        : placeholder == Input && type is not null ? Readers.GetOrAdd(type, ReaderOf)?.Invoke(context) : null;

    /// <summary>The value under a key, or what a path finds in it; an object comes back from a persistent store as a dictionary.</summary>
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
                : value is null ? null : Property(value.GetType(), property)?.GetValue(value);
        }

        return value;
    }

    // Only Quartz' own serializer, which the context keeps to itself, can read a stored input, and only as its type.
    private static Func<IJobExecutionContext, object?>? ReaderOf(Type type) =>
        InputOf(type) is { } input ? ReadTyped.MakeGenericMethod(input).CreateDelegate<Func<IJobExecutionContext, object?>>() : null;

    /// <summary>The one of the type itself, where it hides one that it inherits.</summary>
    private static PropertyInfo? Property(Type? type, string name) => type is null ? null
        : type.GetProperty(name, BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly) ?? Property(type.BaseType, name);

    private static Type? InputOf(Type job) =>
        job.GetInterfaces().FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IJob<>))
            ?.GetGenericArguments()[0];

    private static object? Read<TInput>(IJobExecutionContext context) => context.TryGetInput(out TInput? input) ? input : null;
}
