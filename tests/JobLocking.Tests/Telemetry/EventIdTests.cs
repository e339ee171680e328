using System.Reflection;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;
using Xunit;

namespace JobLocking.Tests.Telemetry;

public sealed class EventIdTests
{
    [Fact]
    public void Every_id_is_used_once_and_its_event_has_its_name()
    {
        Dictionary<int, string> ids = typeof(EventIds).GetFields(BindingFlags.Public | BindingFlags.Static)
            .ToDictionary(f => (int)f.GetRawConstantValue()!, f => f.Name);
        Dictionary<int, string> events = typeof(Log).GetMethods(BindingFlags.Public | BindingFlags.Static)
            .ToDictionary(m => m.GetCustomAttribute<LoggerMessageAttribute>()!.EventId, m => m.Name);
        Assert.Equal(ids.OrderBy(i => i.Key), events.OrderBy(e => e.Key));
    }
}
