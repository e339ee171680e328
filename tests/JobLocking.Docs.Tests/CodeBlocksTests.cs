using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace JobLocking.Docs;

/// <summary>
/// Code that a reader copies from a document compiles: a whole program by itself, everything else because it is in a region of a file of
/// this project.
/// </summary>
public sealed partial class CodeBlocksTests
{
    private const string UnusedUsing = "CS8019";

    private const string UsingsOfAWorker = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        global using Microsoft.Extensions.Configuration;
        global using Microsoft.Extensions.DependencyInjection;
        global using Microsoft.Extensions.Hosting;
        global using Microsoft.Extensions.Logging;
        """;

    private static readonly Lazy<MetadataReference[]> References = new(() =>
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(file => MetadataReference.CreateFromFile(file))]);

    private static readonly CSharpCompilationOptions OptionsOfTheSdk = new(
        OutputKind.ConsoleApplication,
        nullableContextOptions: NullableContextOptions.Enable,
        specificDiagnosticOptions: new Dictionary<string, ReportDiagnostic> { ["CS1701"] = ReportDiagnostic.Suppress, ["CS1702"] = ReportDiagnostic.Suppress });

    private static readonly TheoryData<string, string> All = [.. Repository.Documents()
        .SelectMany(file => CodeBlock().Matches(File.ReadAllText(file)).Select(match => (Path.GetRelativePath(Repository.Root, file), match.Groups["code"].Value)))];

    private static readonly Dictionary<string, string> Regions = Directory
        .GetFiles(Path.Combine(Repository.Root, "tests", "JobLocking.Docs.Tests", "Snippets"), "*.cs")
        .SelectMany(file => Region().Matches(File.ReadAllText(file)))
        .ToDictionary(match => match.Groups["name"].Value, match => Outdent(match.Groups["code"].Value));

    public static TheoryData<string, string> Blocks => [.. All.Where(block => !IsProgram(block.Data.Item2))];

    public static TheoryData<string, string> Programs => [.. All.Where(block => IsProgram(block.Data.Item2))];

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Every_block_of_code_in_a_document_is_a_compiled_region(string document, string code) =>
        Assert.True(Regions.ContainsValue(Outdent(code)), $"This block of {document} equals no region under Snippets:\n{code}");

    [Theory]
    [MemberData(nameof(Programs))]
    public void Every_program_in_a_document_compiles_in_a_worker_project(string document, string code)
    {
        SyntaxTree program = CSharpSyntaxTree.ParseText(code);
        CSharpCompilation compilation = CSharpCompilation.Create(
            "Program", [CSharpSyntaxTree.ParseText(UsingsOfAWorker), program], References.Value, OptionsOfTheSdk);
        string problems = string.Join('\n', compilation.GetDiagnostics().Where(problem =>
            problem.Severity >= DiagnosticSeverity.Warning || (problem.Id == UnusedUsing && problem.Location.SourceTree == program)));
        Assert.True(problems.Length == 0, $"A program of {document} does not compile:\n{problems}");
    }

    [Fact]
    public void Every_region_is_used_in_a_document()
    {
        string[] blocks = [.. Blocks.Select(row => Outdent(row.Data.Item2))];
        Assert.NotEmpty(Regions);
        Assert.All(Regions, region => Assert.Contains(region.Value, blocks));
    }

    /// <summary>It begins with the usings of a file.</summary>
    private static bool IsProgram(string code) => code.StartsWith("using ", StringComparison.Ordinal) && code.Contains("Host.CreateApplicationBuilder", StringComparison.Ordinal);

    private static string Outdent(string code)
    {
        string[] lines = [.. code.ReplaceLineEndings("\n").Trim('\n').Split('\n').Select(line => line.TrimEnd())];
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > 0 ? line[indent..] : line));
    }

    [GeneratedRegex(@"^ *```csharp\r?\n(?<code>.*?)^ *```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"^ *#region (?<name>\S+)\r?\n(?<code>.*?)\n *#endregion", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Region();
}
