using CsCheck;
using JobLocking.Policy;
using Xunit;

namespace JobLocking.Tests.Policy;

/// <summary>What holds for all templates and values, tested with those that are most likely to break it.</summary>
public sealed class NamePropertyTests
{
    // Few, so that equal texts are frequent: characters that are escaped, their escapes, separators, and similar text.
    private static readonly Gen<string> Text = Gen.OneOf(
        "a", "%", "{", "}", ":", "@", "-", "/", "%3A", "%7B", "25", "\0", "\n", "*", "?", "[", "\\", " ", "é", "e\u0301", "😀").Array[1, 3].Select(string.Concat)
        .Where(text => !string.IsNullOrWhiteSpace(text));

    private static readonly Gen<string> Template =
        Gen.OneOf(Text.Select(text => text.Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal)), Gen.Int[0, 2].Select(i => $"{{{i}}}"))
            .Array[1, 6].Select(string.Concat).Where(text => NameTemplate.Parse(text, out _) is not null);

    [Fact]
    public void Different_values_never_give_one_template_the_same_name() =>
        Gen.Select(Template, Text.Array[3].Array[60]).Sample((template, all) =>
        {
            NameTemplate parsed = NameTemplate.Parse(template, out _)!;
            Dictionary<string, string> byName = new(StringComparer.Ordinal);
            foreach (string[] values in all)
            {
                string used = string.Join('\u0001', parsed.Placeholders.Distinct().Order().Select(i => values[i[0] - '0']));
                string name = Resolve(parsed, values);
                Assert.Equal(used, byName.TryAdd(name, used) ? used : byName[name]);
            }
        }, iter: 3000);

    [Fact]
    public void A_value_is_one_segment_of_a_name_and_never_makes_two() =>
        Gen.Select(Text.Array[1, 3], Text.Array[1, 3]).Sample((one, other) =>
            one.SequenceEqual(other) == (Resolve(Segments(one.Length), one) == Resolve(Segments(other.Length), other)), iter: 20_000);

    [Fact]
    public void No_brace_of_a_value_a_template_or_a_name_given_by_hand_is_left() =>
        Gen.Select(Template, Text.Array[3]).Sample((template, values) =>
            !Resolve(NameTemplate.Parse(template, out _)!, values).AsSpan().ContainsAny('{', '}')
            && !NameTemplate.FromHand(template).AsSpan().ContainsAny('{', '}'), iter: 5000);

    [Fact]
    public void Different_names_given_by_hand_stay_different() =>
        Gen.Select(Text, Text).Sample((one, other) =>
            (one == other) == (NameTemplate.FromHand(one) == NameTemplate.FromHand(other)), iter: 20_000);

    [Fact]
    public void Numbers_and_times_that_differ_have_different_names()
    {
        NameTemplate template = NameTemplate.Parse("{0}", out _)!;
        DiffersWith(Gen.Double.Where(number => !double.IsNaN(number)));
        DiffersWith(Gen.Float.Where(number => !float.IsNaN(number)));
        DiffersWith(Gen.Decimal);
        DiffersWith(Gen.DateTimeOffset);
        DiffersWith(Gen.TimeSpan);
        DiffersWith(Gen.Long);

        void DiffersWith<T>(Gen<T> gen) => Gen.Select(gen, gen).Sample((one, other) =>
            Equals(one, other) || template.Resolve("Job.Run", _ => one) != template.Resolve("Job.Run", _ => other), iter: 5000);
    }

    [Fact]
    public void The_same_instant_has_the_same_name_at_every_offset()
    {
        NameTemplate template = NameTemplate.Parse("{0}", out _)!;
        Gen.Select(Gen.DateTimeOffset, Gen.Int[-14 * 60, 14 * 60])
            .Where((instant, _) => instant.UtcDateTime.Year is > 1 and < 9999)
            .Sample((instant, minutes) =>
                template.Resolve("Job.Run", _ => instant) == template.Resolve("Job.Run", _ => instant.ToOffset(TimeSpan.FromMinutes(minutes)))
                && template.Resolve("Job.Run", _ => instant) == template.Resolve("Job.Run", _ => instant.UtcDateTime), iter: 5000);
    }

    private static NameTemplate Segments(int count) => NameTemplate.Parse(string.Join(':', Enumerable.Range(0, count).Select(i => $"{{{i}}}")), out _)!;

    private static string Resolve(NameTemplate template, string[] values) => template.Resolve("Job.Run", key => values[key[0] - '0']);
}
