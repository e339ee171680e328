using JobLocking.Redis.Connections;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

#pragma warning disable CS0618 // StackExchange.Redis 2, the lowest supported version, has no other constructors of these exceptions.
public sealed class RedisFaultTests
{
    [Theory]
    [InlineData(CommandStatus.Unknown, true)]
    [InlineData(CommandStatus.WaitingToBeSent, true)]
    [InlineData(CommandStatus.Sent, true)]
    [InlineData(CommandStatus.WaitingInBacklog, false)]
    public void A_command_without_an_answer_may_have_been_applied_unless_it_never_left_the_backlog(CommandStatus status, bool mayHaveBeenApplied)
    {
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisTimeoutException("unaccepted", status)));
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisConnectionException(ConnectionFailureType.SocketFailure, "gone", null, status)));
    }

    [Theory]
    [InlineData("ERR unknown command 'EVALSHA', with args beginning with: ", false)]
    [InlineData("NOPERM this user has no permissions to run the 'evalsha' command", false)]
    [InlineData("NOPERM The user can't run this command script: 8a2f, on @user_script:17.", true)]
    [InlineData("ERR The user executing the script can't run this command or subcommand script: 8a2f, on @user_script:17.", true)]
    public void A_command_that_was_refused_was_not_applied_unless_a_script_had_begun(string message, bool mayHaveBeenApplied) =>
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisServerException(message)));

    [Theory]
    [InlineData("LOADING Redis is loading the dataset in memory", false)]
    [InlineData("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", false)]
    [InlineData("READONLY You can't write against a read only replica.", false)]
    [InlineData("OOM command not allowed when used memory > 'maxmemory'.", false)]
    [InlineData("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", false)]
    [InlineData("CLUSTERDOWN Hash slot not served", false)]
    [InlineData("NOREPLICAS Not enough good replicas to write.", false)]
    [InlineData("NOSCRIPT No matching script. Please use EVAL.", false)]
    [InlineData("NOAUTH Authentication required.", false)]
    [InlineData("WRONGTYPE Operation against a key holding the wrong kind of value script: 8a2f, on @user_script:17.", true)]
    [InlineData("ERR Error running script (call to f_8a2f): @user_script:17: user_script:17: attempt to index a nil value", true)]
    public void Only_an_error_about_the_state_of_the_server_comes_before_anything_is_applied(string message, bool mayHaveBeenApplied) =>
        Assert.Equal(mayHaveBeenApplied, MayHaveBeenApplied(new RedisServerException(message)));

    private static bool MayHaveBeenApplied(Exception error) => RedisFault.Translate(error, "Acquiring").MayHaveBeenApplied;
}
