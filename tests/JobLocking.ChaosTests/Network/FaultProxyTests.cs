using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using JobLocking.TestKit;
using Xunit;
using static JobLocking.ChaosTests.Network.Conversation;

namespace JobLocking.ChaosTests.Network;

/// <summary>Each fault as both sides see it, on plain sockets.</summary>
public sealed class FaultProxyTests : IAsyncLifetime
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    private FaultProxy _proxy = null!;

    private Conversation _talk = null!;

    public async ValueTask InitializeAsync()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        _proxy = FaultProxy.Start(((IPEndPoint)_listener.LocalEndPoint!).Port);
        _talk = await BeginAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _talk.Dispose();
        await _proxy.DisposeAsync();
        _listener.Dispose();
    }

    [Fact]
    public async Task Without_a_fault_all_bytes_arrive_unchanged()
    {
        string much = string.Concat(Enumerable.Range(0, 100_000).Select(number => $"{number} "));

        Task requests = SayAsync(_talk.Client, much);
        Task replies = SayAsync(_talk.Server, much);

        await Task.WhenAll(HearAsync(_talk.Server, much), HearAsync(_talk.Client, much), requests, replies);
    }

    [Fact]
    public async Task Each_side_sees_that_the_other_has_closed_and_can_still_answer()
    {
        _talk.Client.Shutdown(SocketShutdown.Send);
        await IsClosedAsync(_talk.Server);
        await SayAsync(_talk.Server, "farewell");
        _talk.Server.Close();

        await HearAsync(_talk.Client, "farewell");
        await IsClosedAsync(_talk.Client);
        await Eventually.IsTrueAsync(() => _proxy.OpenConnections == 0);
    }

    [Fact]
    public async Task The_last_bytes_arrive_complete_although_both_sides_have_closed()
    {
        string much = new('x', 500_000);
        _talk.Client.Shutdown(SocketShutdown.Send);
        await IsClosedAsync(_talk.Server);
        await SayAsync(_talk.Server, much);
        _talk.Server.Close();
        await Eventually.IsTrueAsync(() => _proxy.OpenConnections == 0);

        await HearAsync(_talk.Client, much);
        await IsClosedAsync(_talk.Client);
    }

    [Fact]
    public async Task Each_side_sees_that_the_other_has_reset()
    {
        _talk.Client.Close(0);
        await IsResetAsync(_talk.Server);

        using Conversation other = await BeginAsync();
        other.Server.Close(0);
        await IsResetAsync(other.Client);
    }

    [Fact]
    public async Task A_side_that_sends_to_one_that_has_gone_is_reset()
    {
        _talk.Client.Shutdown(SocketShutdown.Send);
        await IsClosedAsync(_talk.Server);
        _talk.Client.Close();

        await Eventually.IsTrueAsync(async () => await Record.ExceptionAsync(() => SayAsync(_talk.Server, "anybody?")) is SocketException);
    }

    [Fact]
    public async Task Dropped_requests_are_swallowed_while_replies_pass()
    {
        _proxy.DropRequests = true;

        await SwallowsAsync(_talk.Client);

        HearsNothing(_talk.Server);
        await SayAsync(_talk.Server, "reply");
        await HearAsync(_talk.Client, "reply");
    }

    [Fact]
    public async Task Dropped_replies_are_swallowed_while_requests_pass()
    {
        _proxy.DropReplies = true;

        await SwallowsAsync(_talk.Server);

        HearsNothing(_talk.Client);
        await SayAsync(_talk.Client, "request");
        await HearAsync(_talk.Server, "request");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stream_that_lost_bytes_is_reset_when_the_dropping_ends_and_others_continue(bool byMend)
    {
        using Conversation silent = await BeginAsync();
        _proxy.DropRequests = true;
        await SwallowsAsync(_talk.Client);

        End(byMend, () => _proxy.DropRequests = false);

        await IsResetAsync(_talk.Client);
        await IsResetAsync(_talk.Server);
        await TalksAsync(silent);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_made_in_a_black_hole_is_silent_until_it_ends(bool byMend)
    {
        _proxy.DropReplies = true;
        using Socket client = await ConnectAsync(_proxy.Port);
        using Socket server = await _listener.AcceptAsync();
        await SayAsync(client, "request");
        await HearAsync(server, "request");
        await SwallowsAsync(server);
        HearsNothing(client);

        End(byMend, () => _proxy.DropReplies = false);

        await IsResetAsync(client);
        await IsResetAsync(server);
    }

    [Fact]
    public async Task In_a_black_hole_a_closed_connection_goes_unnoticed()
    {
        _proxy.DropRequests = true;
        _talk.Client.Close();
        await Eventually.IsTrueAsync(() => _proxy.Swallowed == 1);
        HearsNothing(_talk.Server);

        _proxy.Mend();

        await IsResetAsync(_talk.Server);
    }

    [Fact]
    public async Task A_delayed_request_does_not_arrive_early()
    {
        TimeSpan delay = TimeSpan.FromMilliseconds(50);
        _proxy.RequestDelay = delay;
        long began = Stopwatch.GetTimestamp();

        await SayAsync(_talk.Client, "late");

        await HearAsync(_talk.Server, "late");
        Assert.True(Stopwatch.GetElapsedTime(began) >= delay);
    }

    [Fact]
    public async Task Delayed_replies_arrive_in_order_and_not_early()
    {
        TimeSpan delay = TimeSpan.FromMilliseconds(50);
        _proxy.ReplyDelay = delay;
        long began = Stopwatch.GetTimestamp();

        foreach (int number in Enumerable.Range(0, 10))
        {
            await SayAsync(_talk.Server, $"{number}");
        }

        await HearAsync(_talk.Client, "0123456789");
        Assert.True(Stopwatch.GetElapsedTime(began) >= delay);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Delayed_bytes_arrive_at_once_when_the_delay_ends(bool byMend)
    {
        _proxy.RequestDelay = _proxy.ReplyDelay = TimeSpan.FromDays(1);
        await SayAsync(_talk.Client, "request");
        await SayAsync(_talk.Server, "reply");
        await Eventually.IsTrueAsync(() => _proxy.HeldBytes == "reply".Length);
        HearsNothing(_talk.Client);

        End(byMend, () => _proxy.RequestDelay = _proxy.ReplyDelay = TimeSpan.Zero);

        await HearAsync(_talk.Server, "request");
        await HearAsync(_talk.Client, "reply");
    }

    [Fact]
    public async Task Held_replies_are_released_in_order_while_requests_pass()
    {
        _proxy.HoldReplies();
        await SayAsync(_talk.Server, "first ");
        await Eventually.IsTrueAsync(() => _proxy.HeldBytes == "first ".Length);
        await SayAsync(_talk.Server, "second");
        await Eventually.IsTrueAsync(() => _proxy.HeldBytes == "first second".Length);
        HearsNothing(_talk.Client);
        await SayAsync(_talk.Client, "request");
        await HearAsync(_talk.Server, "request");

        _proxy.ReleaseReplies();

        await HearAsync(_talk.Client, "first second");

        // The receiver may see them before the proxy has counted them.
        await Eventually.IsTrueAsync(() => _proxy.HeldBytes == 0);
    }

    [Fact]
    public async Task Dropping_held_replies_resets_the_connections_they_belong_to_and_no_others()
    {
        using Conversation other = await BeginAsync();
        _proxy.HoldReplies();
        await SayAsync(_talk.Server, "reply");
        await Eventually.IsTrueAsync(() => _proxy.HeldBytes > 0);

        _proxy.DropHeld();

        await IsResetAsync(_talk.Client);
        await IsResetAsync(_talk.Server);
        await TalksAsync(other);
    }

    [Fact]
    public async Task A_black_hole_swallows_held_replies()
    {
        _proxy.HoldReplies();
        await SayAsync(_talk.Server, "reply");
        await Eventually.IsTrueAsync(() => _proxy.HeldBytes > 0);

        _proxy.DropReplies = true;
        await Eventually.IsTrueAsync(() => _proxy.Swallowed == "reply".Length);
        _proxy.Mend();

        await IsResetAsync(_talk.Client);
    }

    [Theory]
    [InlineData("+OK\r\n", "+O")]
    [InlineData("$5\r\nhello\r\n", "$5")]
    [InlineData("+OK\r\n+OK\r\n", "+O")]
    [InlineData("half", "ha")]
    public async Task A_cut_in_a_reply_delivers_part_of_it_and_resets_all_connections(string reply, string part)
    {
        using Conversation other = await BeginAsync();
        Task cut = _proxy.CutInReply();
        await SayAsync(_talk.Client, "request");
        await HearAsync(_talk.Server, "request");
        Assert.False(cut.IsCompleted);

        await SayAsync(_talk.Server, reply);

        Assert.Equal(part, await HearUntilResetAsync(_talk.Client));
        await IsResetAsync(_talk.Server);
        await IsResetAsync(other.Client);
        await IsResetAsync(other.Server);
        await cut.WaitAsync(Eventually.DefaultTimeout);
        using Conversation after = await BeginAsync();
    }

    [Fact]
    public async Task A_cut_that_is_called_off_before_a_reply_comes_is_not_made()
    {
        Task cut = _proxy.CutInReply();

        _proxy.Mend();

        Assert.True(cut.IsCanceled);
        await TalksAsync(_talk);
    }

    [Fact]
    public async Task Cutting_all_connections_resets_both_sides_of_each_and_accepts_new_ones()
    {
        using Conversation other = await BeginAsync();

        _proxy.CutAll();

        await IsResetAsync(_talk.Client);
        await IsResetAsync(_talk.Server);
        await IsResetAsync(other.Client);
        await IsResetAsync(other.Server);
        using Conversation after = await BeginAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Refusing_resets_new_connections_until_it_ends_and_leaves_open_ones(bool byMend)
    {
        _proxy.Refuse = true;
        await IsResetAtOnceAsync(_proxy.Port);
        await TalksAsync(_talk);
        Assert.False(_listener.Poll(TimeSpan.Zero, SelectMode.SelectRead));

        End(byMend, () => _proxy.Refuse = false);

        using Conversation after = await BeginAsync();
    }

    [Fact]
    public async Task A_cut_on_the_servers_side_is_never_reported_to_the_client()
    {
        _proxy.CutServerSide();

        await IsResetAsync(_talk.Server);
        await SwallowsAsync(_talk.Client);
        HearsNothing(_talk.Client);
        using Conversation after = await BeginAsync();

        _proxy.Mend();

        await IsResetAsync(_talk.Client);
        await TalksAsync(after);
    }

    [Fact]
    public async Task A_cut_on_the_clients_side_is_never_reported_to_the_server()
    {
        _proxy.CutClientSide();

        await IsResetAsync(_talk.Client);
        await SwallowsAsync(_talk.Server);
        HearsNothing(_talk.Server);
        using Conversation after = await BeginAsync();

        _proxy.Mend();

        await IsResetAsync(_talk.Server);
        await TalksAsync(after);
    }

    [Fact]
    public async Task A_half_open_connection_outlives_the_end_of_a_black_hole_and_ends_when_its_last_side_closes()
    {
        _proxy.CutServerSide();
        _proxy.DropRequests = true;
        _proxy.DropRequests = false;
        await SwallowsAsync(_talk.Client);
        HearsNothing(_talk.Client);

        _talk.Client.Close();

        await Eventually.IsTrueAsync(() => _proxy.OpenConnections == 0);
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_causes_a_reset()
    {
        _listener.Close();

        await IsResetAtOnceAsync(_proxy.Port);
    }

    [Fact]
    public async Task The_end_of_the_proxy_resets_all_connections_even_those_a_fault_holds_and_frees_the_port()
    {
        using Conversation other = await BeginAsync();
        _proxy.HoldReplies();
        _proxy.RequestDelay = TimeSpan.FromDays(1);
        Task cut = _proxy.CutInReply();
        await SayAsync(_talk.Client, "request");
        await SayAsync(other.Server, "reply");
        await Eventually.IsTrueAsync(() => _proxy.HeldBytes > 0);

        await _proxy.DisposeAsync().AsTask().WaitAsync(Eventually.DefaultTimeout);

        Assert.Equal(0, _proxy.OpenConnections);
        Assert.True(cut.IsCanceled);
        await IsResetAsync(_talk.Client);
        await IsResetAsync(_talk.Server);
        await IsResetAsync(other.Client);
        await IsResetAsync(other.Server);
        using Socket port = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        port.Bind(new IPEndPoint(IPAddress.Loopback, _proxy.Port));
    }

    private Task<Conversation> BeginAsync() => Conversation.BeginAsync(_proxy, _listener);

    private void End(bool byMend, Action own)
    {
        if (byMend)
        {
            _proxy.Mend();
        }
        else
        {
            own();
        }
    }

    private async Task SwallowsAsync(Socket side)
    {
        long before = _proxy.Swallowed;
        await SayAsync(side, "lost");
        await Eventually.IsTrueAsync(() => _proxy.Swallowed >= before + "lost".Length);
    }

    private static async Task TalksAsync(Conversation talk)
    {
        await SayAsync(talk.Client, "request");
        await HearAsync(talk.Server, "request");
        await SayAsync(talk.Server, "reply");
        await HearAsync(talk.Client, "reply");
    }
}
