using System.Collections.Concurrent;
using System.Reflection;
using Quartz;

namespace JobLocking.Quartz.Firings;

/// <summary>
/// What the placeholders of a lock's name stand for: <c>{key}</c> for a value of the merged job data, <c>{input}</c> and
/// <c>{input.Property}</c> for the input of an <see cref="IJob{TInput}"/>.
/// </summary>
internal sealed class FiringValues(IJobExecutionContext context, Type? type)
{
    private const string Input = "input";

    private static readonly MethodInfo ReadTyped = new Func<IJobExecutionContext, object?>(Read<object>).Method.GetGenericMethodDefinition();

    private static readonly ConcurrentDictionary<Type, Func<IJobExecutionContext, object?>?> Readers = [];

    public object? ValueOf(string placeholder) =>
        context.MergedJobDataMap.TryGetValue(placeholder, out object? value) && value is not null
            ? value
            : placeholder == Input && type is not null ? Readers.GetOrAdd(type, ReaderOf)?.Invoke(context) : null;

    // Only Quartz' own serializer, which the context keeps to itself, can read a stored input, and only as its type.
    private static Func<IJobExecutionContext, object?>? ReaderOf(Type type) =>
        type.GetInterfaces().FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IJob<>)) is { } job
            ? ReadTyped.MakeGenericMethod(job.GetGenericArguments()).CreateDelegate<Func<IJobExecutionContext, object?>>()
            : null;

    private static object? Read<TInput>(IJobExecutionContext context) => context.TryGetInput(out TInput? input) ? input : null;
}
