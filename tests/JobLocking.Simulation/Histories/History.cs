using System.Globalization;
using System.Runtime.CompilerServices;

namespace JobLocking.Simulation.Histories;

/// <summary>The observed events, in order; in a trace with remarks.</summary>
internal sealed class History(bool isTraced)
{
    private const ulong Prime = 1099511628211;

    private readonly List<Fact> _facts = [];
    private readonly List<string> _lines = [];

    public IReadOnlyList<Fact> Facts => _facts;

    public IReadOnlyList<string> Lines => _lines;

    /// <summary>A hash that is the same for the same course of events, in every process.</summary>
    public ulong Digest { get; private set; } = 14695981039346656037;

    public static string Moment(long at) => TimeSpan.FromTicks(at).TotalSeconds.ToString("0000.000000", CultureInfo.InvariantCulture);

    public void Add(Fact fact)
    {
        _facts.Add(fact);
        foreach (char letter in fact.GetType().Name)
        {
            Mix(letter);
        }

        Mix((ulong)fact.At);
        if (isTraced)
        {
            _lines.Add($"{Moment(fact.At)} {fact}");
        }
    }

    public void Trace(long at, ref Remark remark)
    {
        if (isTraced)
        {
            _lines.Add($"{Moment(at)}     {remark.Text()}");
        }
    }

    private void Mix(ulong more) => Digest = (Digest ^ more) * Prime;

    /// <summary>Text that is built only if there is a trace.</summary>
    [InterpolatedStringHandler]
    internal ref struct Remark
    {
        private DefaultInterpolatedStringHandler _text;

        public Remark(int literalLength, int formattedCount, Time.World world, out bool isRead)
        {
            isRead = world.History.IsRead;
            _text = isRead ? new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
        }

        public void AppendLiteral(string text) => _text.AppendLiteral(text);

        public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

        public string Text() => _text.ToStringAndClear();
    }

    private bool IsRead => isTraced;
}
