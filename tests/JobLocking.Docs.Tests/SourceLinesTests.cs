using Xunit;

namespace JobLocking.Docs;

/// <summary>No line of the product or the sample is too long for a screen.</summary>
public sealed class SourceLinesTests
{
    private const int Longest = 140;

    private static readonly string[] Extensions = [".cs", ".lua"];

    [Fact]
    public void No_line_of_the_product_or_the_sample_is_longer_than_140_characters()
    {
        string[] sources = [.. Sources("src").Concat(Sources("samples"))];
        Assert.Contains(sources, file => file.EndsWith(".lua", StringComparison.Ordinal));
        string[] tooLong = [.. sources.SelectMany(LongLines)];
        Assert.True(tooLong.Length == 0, string.Join(Environment.NewLine, tooLong));
    }

    private static IEnumerable<string> Sources(string folder) =>
        from file in Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*", SearchOption.AllDirectories)
        where Extensions.Contains(Path.GetExtension(file))
            && !Relative(file).Split('/').Intersect(["bin", "obj"]).Any()
        select file;

    private static IEnumerable<string> LongLines(string file) =>
        from line in File.ReadLines(file).Index()
        where line.Item.Length > Longest
        select $"{Relative(file)}:{line.Index + 1} has {line.Item.Length} characters";

    private static string Relative(string file) => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/');
}
