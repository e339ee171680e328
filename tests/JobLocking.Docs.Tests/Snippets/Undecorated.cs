using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Docs.Snippets;

public static class Undecorated
{
    public static void LockThirdPartyJob(IServiceCollection services)
    {
        #region attribute-code
        services.AddJobLocking(o => o.ForJob<ThirdPartyJob>(new TaskLockAttribute("third-party") { Expire = 300 }));
        #endregion
    }

    private sealed class ThirdPartyJob;
}
