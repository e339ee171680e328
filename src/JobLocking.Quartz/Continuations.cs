using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The triggers that wait for the firing of another trigger (<c>StartAfter</c>), where a deferral is recorded as a veto. Quartz deletes
/// them when that firing is vetoed, so they are made to wait for its deferral before.
/// </summary>
/// <remarks>
/// A continuation that names <see cref="ContinuationCondition.OnVeto"/> is left alone: the veto is what it waits for. A fault is logged
/// and nothing else, because the deferral is stored, and the firing must not fail.
/// </remarks>
internal sealed class Continuations(ILogger logger)
{
    private static readonly TriggerQuery Awaiting = new() { State = TriggerState.Awaiting, Take = PagedQuery.All };

    /// <summary>What waits for the firing of a trigger waits for its deferral now.</summary>
    public async ValueTask MoveAsync(IScheduler scheduler, TriggerKey trigger, TriggerKey deferral)
    {
        try
        {
            PagedResult<TriggerHeader> awaiting = await scheduler.QueryTriggers(Awaiting, CancellationToken.None).ConfigureAwait(false);
            foreach (TriggerKey continuation in awaiting.Items.Where(t => trigger.Equals(t.ContinuesAfter)).Select(t => t.Key))
            {
                if (await scheduler.GetTrigger(continuation, CancellationToken.None).ConfigureAwait(false) is { } waits
                    && trigger.Equals(waits.Continuation.Parent)
                    && !waits.Continuation.When.HasFlag(ContinuationCondition.OnVeto))
                {
                    ITrigger moved = waits.GetTriggerBuilder().StartAfter(deferral, waits.Continuation.When).Build();
                    await scheduler.RescheduleJob(continuation, moved, CancellationToken.None).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e)
        {
            Log.ContinuationNotMoved(logger, e, trigger, deferral);
        }
    }
}
