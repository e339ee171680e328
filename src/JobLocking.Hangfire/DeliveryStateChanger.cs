using Hangfire.States;

namespace JobLocking.Hangfire;

/// <summary>
/// Leaves a job alone that is delivered a second time while its first run is alive: the worker removes the delivery from its queue, and
/// does nothing else. See <see cref="SecondDelivery"/>.
/// </summary>
internal sealed class DeliveryStateChanger(IBackgroundJobStateChanger inner) : IBackgroundJobStateChanger
{
    public IState? ChangeState(StateChangeContext context)
    {
        if (context.NewState is not ProcessingState)
        {
            return inner.ChangeState(context);
        }

        try
        {
            SecondDelivery.Stage = SecondDelivery.Stages.Catches;
            return inner.ChangeState(context);
        }
        catch (SecondDeliveryException delivery)
        {
            if (delivery.WaitsUntil is { } at)
            {
                SecondDelivery.KeepWaiting(context.Storage, context.Connection, delivery.Job, at);
                return null;
            }

            if (delivery.Filter.LeavesRunning(
                delivery.Job, context.Storage, context.Connection, context.ServerId, context.CancellationToken))
            {
                return null;
            }

            SecondDelivery.Stage = SecondDelivery.Stages.TakesOver;
            return inner.ChangeState(context);
        }
        finally
        {
            SecondDelivery.Stage = SecondDelivery.Stages.Absent;
        }
    }
}
