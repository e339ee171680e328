using JobLocking.Redis.Connections;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

public sealed class RedisFaultTests
{
    [Theory]
    [InlineData(CommandStatus.Unknown, true)]
    [InlineData(CommandStatus.WaitingToBeSent, true)]
    [InlineData(CommandStatus.Sent, true)]
    [InlineData(CommandStatus.WaitingInBacklog, false)]
    public void A_command_without_an_answer_may_have_been_applied_unless_it_never_left_the_backlog(CommandStatus status, bool mayHaveBeenApplied)
    {
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisTimeoutException(CommandFlags.None, "late", status)));
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisConnectionException(ConnectionFailureType.SocketFailure, CommandFlags.None, "gone", null, status)));
    }

    private static bool MayHaveBeenApplied(Exception error) => RedisFault.Translate(error, "Acquiring").MayHaveBeenApplied;
}
