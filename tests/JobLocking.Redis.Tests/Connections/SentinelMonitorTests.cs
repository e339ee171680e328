using System.Net;
using JobLocking.Redis.Connections;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

/// <summary>What the monitor makes of the answers of its sentinels. Nothing listens on their addresses: the tests answer in their stead.</summary>
public sealed class SentinelMonitorTests : IAsyncLifetime
{
    private static readonly IPEndPoint Old = new(IPAddress.Loopback, 7001);

    private static readonly IPEndPoint New = new(IPAddress.Loopback, 7002);

    private static readonly IPEndPoint Unknown = new(IPAddress.Loopback, 7003);

    private readonly SentinelMonitor _monitor = SentinelMonitor.Of(new RedisLockOptions
    {
        Configuration = "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,serviceName=locks,connectTimeout=10",
    })!;

    private PrimaryTunnel _tunnel = null!;

    private SentinelWatch[] _sentinels = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _tunnel = _monitor.CreateTunnel();
        await _monitor.BeginAsync();
        _sentinels = [.. _monitor.Watches];
        Assert.Equal(3, _sentinels.Length);
    }

    public ValueTask DisposeAsync() => _monitor.DisposeAsync();

    [Fact]
    public void A_sentinel_that_lags_behind_does_not_lead_back_to_the_old_primary()
    {
        Say(0, Old, 5);
        Say(1, New, 6);
        Assert.Equal(New, _monitor.Primary);

        Say(0, Old, 5);
        Say(2, Old, 5);
        Assert.Equal(New, _monitor.Primary);
    }

    [Fact]
    public void After_a_reset_most_of_the_sentinels_decide_although_they_count_from_the_beginning()
    {
        Say(0, Old, 5);
        Say(1, Old, 5);
        Say(2, Old, 5);

        Say(0, New, 0);
        Say(1, New, 0);
        Assert.Equal(Old, _monitor.Primary);

        Say(2, New, 0);
        Assert.Equal(New, _monitor.Primary);
    }

    [Fact]
    public void A_message_that_any_client_may_publish_moves_nothing_while_a_sentinel_answers()
    {
        Say(0, Old, 5);
        Say(1, New, 6);

        Hello(Old, 7);
        Hello(Unknown, 7);

        Assert.Equal(New, _monitor.Primary);
    }

    [Fact]
    public async Task Without_answers_a_message_moves_to_a_member_of_the_service_and_to_nothing_else()
    {
        Say(0, Old, 5);
        await _monitor.DiscoveredAsync(_sentinels[0], [New], []);
        await Eventually.IsTrueAsync(() => _sentinels.All(sentinel => !sentinel.IsFresh));

        Hello(Unknown, 6);
        Hello(New, 5);
        _monitor.ReadHello($"127.0.0.1,1,id,6,other-service,127.0.0.1,{New.Port},6");
        _monitor.ReadHello("forged");
        Assert.Equal(Old, _monitor.Primary);

        Hello(New, 6);
        Assert.Equal(New, _monitor.Primary);
    }

    [Fact]
    public void A_pause_ends_only_when_the_promotion_is_given_up_or_with_a_socket_to_the_new_primary()
    {
        Say(0, Old, 5);
        _monitor.PromotionBegins();
        Say(1, Old, 5);
        _monitor.PromotionEnds(isKnown: false);
        Assert.NotNull(_tunnel.Pause);

        _monitor.PromotionEnds(isKnown: true);
        Assert.Null(_tunnel.Pause);

        _monitor.PromotionBegins();
        Say(1, New, 6);
        _monitor.PromotionEnds(isKnown: true);
        Assert.NotNull(_tunnel.Pause);
    }

    [Fact]
    public async Task A_host_name_that_the_sentinels_announce_is_resolved_before_each_socket()
    {
        _monitor.Answered(_sentinels[0], new DnsEndPoint("localhost", Old.Port), 5, TimeSpan.FromSeconds(2));

        IPEndPoint address = Assert.IsType<IPEndPoint>(await _tunnel.GetSocketConnectEndpointAsync(new DnsEndPoint("locks", 6379), Cancellation));

        Assert.True(IPAddress.IsLoopback(address.Address));
        Assert.Equal(Old.Port, address.Port);
    }

    private void Say(int sentinel, IPEndPoint primary, long epoch) =>
        _monitor.Answered(_sentinels[sentinel], primary, epoch, TimeSpan.FromSeconds(2));

    private void Hello(IPEndPoint primary, long epoch) =>
        _monitor.ReadHello($"127.0.0.1,1,id,{epoch},locks,{primary.Address},{primary.Port},{epoch}");
}
