using System.Globalization;
using JobLocking.Policy;
using Xunit;

namespace JobLocking.Tests.Policy;

public sealed class NameTemplateTests
{
    private sealed record Order(int Id, Customer? Customer = null);

    private sealed record Customer(string Name);

    private sealed class Textless;

    private record Holder(object Value);

    private sealed record Hiding(string Text) : Holder(1)
    {
        public new string Value => Text;
    }

    [Theory]
    [InlineData("nightly-report", "nightly-report")]
    [InlineData("a{{b}}", "a%7Bb%7D")]
    [InlineData("100%", "100%25")]
    [InlineData("a:b@c", "a:b@c")]
    public void A_literal_keeps_its_text_except_for_braces_and_percent_signs(string template, string expected)
    {
        Assert.Equal(expected, Resolve(template));
    }

    [Fact]
    public void A_placeholder_takes_the_value_of_its_name()
    {
        Assert.Equal("invoice:42", Resolve("invoice:{customerId}", ("customerId", 42)));
        Assert.Equal("42:x", Resolve("{0}:{1}", ("0", 42), ("1", "x")));
    }

    [Fact]
    public void A_path_reads_properties_unless_the_whole_path_is_a_key()
    {
        Assert.Equal("o:7", Resolve("o:{order.Id}", ("order", new Order(7))));
        Assert.Equal("o:Ann", Resolve("o:{order.Customer.Name}", ("order", new Order(7, new Customer("Ann")))));
        Assert.Equal("o:key", Resolve("o:{order.Id}", ("order.Id", "key"), ("order", new Order(7))));
    }

    [Fact]
    public void Values_that_contain_the_separator_do_not_collide()
    {
        Assert.Equal("a%3Ab:c", Resolve("{x}:{y}", ("x", "a:b"), ("y", "c")));
        Assert.Equal("a:b%3Ac", Resolve("{x}:{y}", ("x", "a"), ("y", "b:c")));
        Assert.Equal("a%2Db-c", Resolve("{x}-{y}", ("x", "a-b"), ("y", "c")));
        Assert.Equal("a-b%2Dc", Resolve("{x}-{y}", ("x", "a"), ("y", "b-c")));
    }

    [Fact]
    public void No_brace_of_a_value_reaches_the_name()
    {
        Assert.Equal("x:%7B%7D%25%40", Resolve("x:{v}", ("v", "{}%@")));
    }

    [Theory]
    [InlineData("{a}{b}")]
    [InlineData("{a}x{b}")]
    [InlineData("{a}%{b}")]
    public void Placeholders_that_nothing_separates_are_refused(string template)
    {
        Assert.Null(NameTemplate.Parse(template, out string? problem));
        Assert.Contains("{a} from {b}", problem, StringComparison.Ordinal);
        Assert.Contains("Fix:", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("{")]
    [InlineData("a}")]
    [InlineData("{}")]
    [InlineData("{a{b}")]
    [InlineData("{open")]
    public void A_template_that_makes_no_sense_is_refused_with_a_fix(string template)
    {
        Assert.Null(NameTemplate.Parse(template, out string? problem));
        Assert.Contains("Fix:", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_placeholder_that_resolves_to_nothing_is_an_error_that_names_it()
    {
        foreach (object? nothing in new object?[] { null, "" })
        {
            TaskLockException error = Assert.Throws<TaskLockException>(() => Resolve("x:{customer}", ("customer", nothing)));
            Assert.Contains("{customer}", error.Message, StringComparison.Ordinal);
            Assert.Contains("Job.Run", error.Message, StringComparison.Ordinal);
        }

        Assert.Throws<TaskLockException>(() => Resolve("x:{order.Missing}", ("order", new Order(1))));
        Assert.Throws<TaskLockException>(() => Resolve("x:{order.Customer.Name}", ("order", new Order(1))));
    }

    [Fact]
    public void A_value_without_a_text_of_its_own_is_an_error()
    {
        foreach (object value in new object[] { new Textless(), new Order(7), new[] { 1, 2 }, new List<int>(), new CancellationTokenSource().Token })
        {
            TaskLockException error = Assert.Throws<TaskLockException>(() => Resolve("x:{v}", ("v", value)));
            Assert.Contains(value.GetType().ToString(), error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Values_are_written_the_same_in_every_culture_and_without_loss()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        CultureInfo foreign = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        foreign.NumberFormat.NumberDecimalSeparator = ",";
        foreign.NumberFormat.NegativeSign = "~";
        CultureInfo.CurrentCulture = foreign;
        try
        {
            Assert.Equal("x:-1.5", Resolve("x:{v}", ("v", -1.5)));
            Assert.Equal("x:1", Resolve("x:{v}", ("v", 1.00m)));
            DateTimeOffset at = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);
            Assert.NotEqual(Resolve("x:{v}", ("v", at)), Resolve("x:{v}", ("v", at.AddTicks(1))));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void One_instant_has_one_name_whatever_its_kind_and_offset()
    {
        DateTimeOffset instant = new(2026, 11, 29, 23, 0, 0, TimeSpan.Zero);
        foreach (object same in new object[]
        {
            instant, instant.ToOffset(TimeSpan.FromHours(1)), instant.ToOffset(TimeSpan.FromMinutes(-330)), instant.UtcDateTime, instant.LocalDateTime,
        })
        {
            Assert.Equal("x:2026-11-29T23%3A00%3A00Z", Resolve("x:{v}", ("v", same)));
            Assert.Equal("x:2026-11-29T23%3A00%3A00Z", Resolve("x:{order.Value}", ("order", new Holder(same))));
        }

        Assert.Equal("x:2026-11-29T23%3A00%3A00.0000001Z", Resolve("x:{v}", ("v", instant.LocalDateTime.AddTicks(1))));
    }

    [Fact]
    public void A_time_without_a_kind_has_the_same_name_on_every_node_and_is_no_instant()
    {
        DateTime unspecified = new(2026, 11, 29, 23, 0, 0, DateTimeKind.Unspecified);
        Assert.Equal("x:2026-11-29T23%3A00%3A00", Resolve("x:{v}", ("v", unspecified)));
        Assert.NotEqual(Resolve("x:{v}", ("v", DateTime.SpecifyKind(unspecified, DateTimeKind.Utc))), Resolve("x:{v}", ("v", unspecified)));
    }

    [Fact]
    public void Equal_numbers_have_one_name()
    {
        Assert.Equal("x:0", Resolve("x:{v}", ("v", -0.0)));
        Assert.Equal("x:0", Resolve("x:{v}", ("v", -0f)));
        Assert.Equal("x:0", Resolve("x:{v}", ("v", -0.00m)));
        Assert.Equal("x:1.5", Resolve("x:{v}", ("v", 1.50m)));
    }

    [Fact]
    public void A_property_that_hides_another_is_the_one_that_is_read()
    {
        Assert.Equal("o:7", Resolve("o:{order.Value}", ("order", new Hiding("7"))));
    }

    [Fact]
    public void A_property_that_the_type_of_an_argument_does_not_have_is_found_without_a_value()
    {
        NameTemplate template = NameTemplate.Parse("{order.Missing}:{order.Customer.Nmae}:{order.Id}:{order.Customer.Name}:{any.Thing}:{unknown.X}:{plain}", out _)!;

        string[] problems = [.. template.MissingProperties(root => root switch { "order" => typeof(Order), "any" => typeof(object), _ => null })];

        Assert.Equal(
            [
                $"Name has the placeholder {{order.Missing}}, but {typeof(Order)} has no public property 'Missing'. Fix: use {{order.Id}}, {{order.Customer}}, or write {{{{ for a literal brace.",
                $"Name has the placeholder {{order.Customer.Nmae}}, but {typeof(Customer)} has no public property 'Nmae'. Fix: use {{order.Customer.Name}}, or write {{{{ for a literal brace.",
            ],
            problems);
    }

    [Fact]
    public void A_property_that_only_a_derived_class_has_is_not_missing()
    {
        NameTemplate template = NameTemplate.Parse("{value.Own}", out _)!;

        Assert.Empty(template.MissingProperties(_ => typeof(Extended)));
        Assert.Single(template.MissingProperties(_ => typeof(FurtherExtended)));
    }

    private class Extended
    {
        public int Id { get; } = 7;
    }

    private sealed class FurtherExtended : Extended;

    [Fact]
    public void The_limit_of_512_bytes_holds_after_resolution()
    {
        Assert.Equal(512, Resolve("x:{v}", ("v", new string('a', 510))).Length);
        TaskLockException tooLong = Assert.Throws<TaskLockException>(() => Resolve("x:{v}", ("v", new string('a', 511))));
        Assert.Contains("513 bytes", tooLong.Message, StringComparison.Ordinal);
        Assert.Throws<TaskLockException>(() => Resolve("x:{v}", ("v", new string('€', 171))));
        Assert.Null(NameTemplate.Parse(new string('a', 513), out _));
        Assert.Throws<TaskLockException>(() => NameTemplate.FromHand(new string('%', 171)));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_refused_because_two_of_them_would_share_one_key()
    {
        Assert.Throws<TaskLockException>(() => Resolve("x:{v}", ("v", "\ud800")));
        Assert.Throws<TaskLockException>(() => NameTemplate.FromHand("\ud801"));
        Assert.Equal("😀", NameTemplate.FromHand("😀"));
    }

    [Fact]
    public void A_name_given_by_hand_is_no_template()
    {
        Assert.Equal("a%7B0%7D%25:b", NameTemplate.FromHand("a{0}%:b"));
        Assert.Throws<TaskLockException>(() => NameTemplate.FromHand(" "));
    }

    private static string Resolve(string template, params (string Key, object? Value)[] values)
    {
        NameTemplate? parsed = NameTemplate.Parse(template, out string? problem);
        Assert.Null(problem);
        Dictionary<string, object?> map = values.ToDictionary(v => v.Key, v => v.Value);
        return parsed!.Resolve("Job.Run", key => map.GetValueOrDefault(key));
    }
}
