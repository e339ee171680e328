using JobLocking.Leasing;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Tests.Leasing;

public sealed class AlarmThreadTests
{
    private static readonly TimeSpan Never = TimeSpan.FromDays(1);

    private readonly List<Thread> _rungOn = [];

    [Fact]
    public async Task It_rings_once_for_the_time_it_was_set_to_last()
    {
        using AlarmThread alarm = new(TimeProvider.System, Ring);
        alarm.Set(Never);
        alarm.Set(TimeSpan.FromMilliseconds(1));
        await Eventually.IsTrueAsync(() => Rung == 1);

        // A later task checks that the alarm has not rung again.
        alarm.Set(Never);
        await Run(alarm, () => { });
        Assert.Equal(1, Rung);
        alarm.Set(TimeSpan.Zero);
        await Eventually.IsTrueAsync(() => Rung == 2);
    }

    [Fact]
    public async Task A_task_continues_on_its_thread_after_an_await()
    {
        using AlarmThread alarm = new(TimeProvider.System, Ring);
        TaskCompletionSource answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread? before = null;
        Task<Thread> after = await Task.Factory.StartNew(
            async () =>
            {
                before = Thread.CurrentThread;
                await answer.Task;
                return Thread.CurrentThread;
            },
            CancellationToken.None,
            TaskCreationOptions.None,
            alarm.Scheduler);
        answer.SetResult();

        Assert.Same(before, await after);
        Assert.False(before!.IsThreadPoolThread);
    }

    [Fact]
    public async Task An_alarm_that_is_due_rings_before_the_next_task_runs()
    {
        using AlarmThread alarm = new(TimeProvider.System, Ring);
        using ManualResetEventSlim busy = new();
        Task first = Run(alarm, busy.Wait);
        int rungBefore = -1;
        Task second = Run(alarm, () => rungBefore = Rung);
        alarm.Set(TimeSpan.Zero);
        busy.Set();

        await first;
        await second;
        Assert.Equal(1, rungBefore);
    }

    [Fact]
    public async Task Its_thread_ends_after_disposal_but_not_before_the_alarm_has_rung_again()
    {
        AlarmThread alarm = new(TimeProvider.System, Ring);
        alarm.Set(TimeSpan.Zero);
        await Eventually.IsTrueAsync(() => Rung == 1);
        alarm.Dispose();
        alarm.Set(TimeSpan.FromMilliseconds(20));
        await Eventually.IsTrueAsync(() => Rung == 2);
        await Eventually.IsTrueAsync(() => _rungOn.TrueForAll(thread => !thread.IsAlive));
    }

    private int Rung
    {
        get
        {
            lock (_rungOn)
            {
                return _rungOn.Count;
            }
        }
    }

    private void Ring()
    {
        lock (_rungOn)
        {
            _rungOn.Add(Thread.CurrentThread);
        }
    }

    private static Task Run(AlarmThread alarm, Action what) =>
        Task.Factory.StartNew(what, CancellationToken.None, TaskCreationOptions.None, alarm.Scheduler);
}
