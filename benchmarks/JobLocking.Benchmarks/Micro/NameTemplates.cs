using BenchmarkDotNet.Attributes;
using JobLocking.Policy;

namespace JobLocking.Benchmarks.Micro;

/// <summary>Makes the name of a lock from its template and the arguments of a job.</summary>
[MemoryDiagnoser]
public class NameTemplates
{
    private readonly NameTemplate _fixed = NameTemplate.Parse("nightly-report", out _)!;

    private readonly NameTemplate _byArgument = NameTemplate.Parse("invoice:{customerId}", out _)!;

    [Benchmark]
    public string Fixed() => _fixed.Resolve("Invoices.Send", static _ => null);

    [Benchmark]
    public string ByArgument() => _byArgument.Resolve("Invoices.Send", static _ => 4711);

    [Benchmark]
    public string ByHand() => NameTemplate.FromHand("invoice:4711");
}
