using System.Runtime.CompilerServices;
using JobLocking.Waiting;
using Xunit;

namespace JobLocking.Tests.Waiting;

/// <summary>The state machine of a waiter by its complete table, which the README of the room also shows.</summary>
public sealed class WaiterStagesTests
{
    // A cell has the next stage, if it is another, and what has to be done; a dot where nothing happens.
    private const string Table = """
        | event | Absent | Asking | AskingWoken | WaitingInPlace | Woken | Deferred | Waking |
        |---|---|---|---|---|---|---|---|
        | Asks | Asking | · | · | · | · | · | · |
        | Granted | · | Absent | Absent | Absent | Absent | Absent | · |
        | Refused | Asking: list, poll | list, poll | list, poll | · | · | · | · |
        | Unanswered | · | list, poll | list, poll | · | · | · | · |
        | WaitBegins | ask | WaitingInPlace | Asking: ask | · | · | · | · |
        | WaitEnds | · | · | · | Asking | Asking: ask | · | · |
        | WaitIsStopped | · | · | · | Asking | AskingWoken | · | · |
        | DeferralStored | Deferred: list, poll | Deferred: list, poll | Waking: start | · | · | · | · |
        | DeferralGone | leave | Absent: leave | Absent: leave | leave | leave | Absent: leave | leave |
        | WakeUp | decline | AskingWoken | · | Woken: signal | · | Waking: start | decline |
        | Started | · | · | · | · | · | · | Absent: follow up |
        | NotStarted | · | · | · | · | · | · | Absent: decline |
        | StartFailed | · | · | · | · | · | · | Deferred: list, poll, decline |
        | Leaves | leave | Absent: leave | Absent: leave | Absent: leave | Absent: leave | Absent: leave | leave |
        | CameAgain | · | Absent | Absent | Woken: new id, signal | new id, signal | Absent | · |
        | Polled | leave | list | list | list | list | list | leave |
        | MustAsk | · | · | · | Woken: signal | · | · | · |
        | Lapsed | · | Absent | Absent | · | · | Absent | · |
        | HostStops | · | · | · | · | · | Absent | · |
        """;

    private static readonly Dictionary<string, WaiterEffects> Effects = new()
    {
        ["list"] = WaiterEffects.List,
        ["poll"] = WaiterEffects.ArmPoll,
        ["new id"] = WaiterEffects.NewId,
        ["signal"] = WaiterEffects.Signal,
        ["ask"] = WaiterEffects.Ask,
        ["start"] = WaiterEffects.Start,
        ["decline"] = WaiterEffects.Decline,
        ["leave"] = WaiterEffects.Leave,
        ["follow up"] = WaiterEffects.FollowUp,
    };

    public static TheoryData<string> Events => [.. Enum.GetNames<WaiterEvent>()];

    [Theory]
    [MemberData(nameof(Events))]
    public void Each_event_has_in_each_stage_the_consequences_of_the_table(string happened)
    {
        string[][] rows = [.. Table.Split('\n').Select(row => row.Trim().Trim('|').Split('|', StringSplitOptions.TrimEntries))];
        Assert.Equal(Enum.GetNames<WaiterStage>(), rows[0][1..]);
        string[] row = Assert.Single(rows, row => row[0] == happened);
        Assert.Equal(row[1..], Enum.GetValues<WaiterStage>().Select(stage => Cell(stage, Enum.Parse<WaiterEvent>(happened))));
    }

    [Fact]
    public void The_README_of_the_room_shows_the_table()
    {
        string readme = File.ReadAllText(Path.Combine(ThisFolder(), "../../../src/JobLocking/Waiting/README.md"));
        Assert.Contains(Table.ReplaceLineEndings("\n"), readme.ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_wake_up_is_kept_or_used_or_declined_in_every_stage()
    {
        Assert.All(Enum.GetValues<WaiterStage>(), stage =>
        {
            (WaiterStage next, WaiterEffects effects) = WaiterStages.Next(stage, WaiterEvent.WakeUp);
            Assert.True(IsKept(next) || (effects & (WaiterEffects.Start | WaiterEffects.Decline)) != 0, $"{stage} drops it");
        });
    }

    [Fact]
    public void A_wake_up_that_is_kept_ends_only_when_an_execution_asks_or_the_next_waiter_is_woken()
    {
        // Granted: the wait is over. CameAgain: the other execution with the id asks by itself. Lapsed: its execution never came back.
        WaiterEvent[] ends = [WaiterEvent.Granted, WaiterEvent.CameAgain, WaiterEvent.Lapsed];
        Assert.All(Enum.GetValues<WaiterEvent>().Except(ends), happened => Assert.All(Enum.GetValues<WaiterStage>().Where(IsKept), stage =>
        {
            (WaiterStage next, WaiterEffects effects) = WaiterStages.Next(stage, happened);
            bool isUsed = (effects & (WaiterEffects.Ask | WaiterEffects.Start | WaiterEffects.Decline | WaiterEffects.Leave)) != 0;
            Assert.True(IsKept(next) || isUsed, $"{happened} drops it in stage {stage}");
        }));
    }

    private static bool IsKept(WaiterStage stage) => stage is WaiterStage.AskingWoken or WaiterStage.Woken;

    private static string Cell(WaiterStage stage, WaiterEvent happened)
    {
        (WaiterStage next, WaiterEffects effects) = WaiterStages.Next(stage, happened);
        Assert.Equal(effects, Effects.Values.Where(effect => effects.HasFlag(effect)).Aggregate(WaiterEffects.None, (all, effect) => all | effect));
        string words = string.Join(", ", Effects.Where(effect => effects.HasFlag(effect.Value)).Select(effect => effect.Key));
        return (next != stage, words.Length > 0) switch
        {
            (true, true) => $"{next}: {words}",
            (true, false) => next.ToString(),
            (false, true) => words,
            (false, false) => "·",
        };
    }

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
