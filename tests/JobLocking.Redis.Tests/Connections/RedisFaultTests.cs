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
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisTimeoutException(CommandFlags.None, "unaccepted", status)));
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisConnectionException(ConnectionFailureType.SocketFailure, CommandFlags.None, "gone", null, status)));
    }

    [Theory]
    [InlineData(RedisErrorKind.UnknownCommand, "ERR unknown command 'EVALSHA', with args beginning with: ", false)]
    [InlineData(RedisErrorKind.NoPermission, "NOPERM this user has no permissions to run the 'evalsha' command", false)]
    [InlineData(RedisErrorKind.NoPermission, "NOPERM The user can't run this command script: 8a2f, on @user_script:17.", true)]
    [InlineData(RedisErrorKind.UnknownError, "ERR The user executing the script can't run this command or subcommand script: 8a2f, on @user_script:17.", true)]
    public void A_command_that_was_refused_was_not_applied_unless_a_script_had_begun(RedisErrorKind kind, string message, bool mayHaveBeenApplied) =>
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisServerException(kind, CommandFlags.None, message)));

    private static bool MayHaveBeenApplied(Exception error) => RedisFault.Translate(error, "Acquiring").MayHaveBeenApplied;
}
