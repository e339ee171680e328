namespace JobLocking.Docs.Snippets;

#region readme-hangfire-job
public sealed class Invoices(IMailer mailer)
{
    [TaskLock("invoice:{customerId}", Expire = 120, OnConflict = LockConflict.Defer)]
    public Task Send(int customerId, CancellationToken cancellationToken) => mailer.SendInvoiceAsync(customerId, cancellationToken);
}
#endregion

public interface IMailer
{
    Task SendInvoiceAsync(int customerId, CancellationToken cancellationToken);
}
