using System.Globalization;

namespace JobLocking.Quartz;

/// <summary>
/// A value of the job data as every store gives it back. In memory it keeps its type; a persistent store writes JSON and reads back
/// texts, numbers and truth values. What becomes of a value there must have the same text in a lock's name.
/// </summary>
internal static class StoredValue
{
    // As System.Text.Json writes a time, with and without what tells which instant it is.
    private const string Time = "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF";
    private const string Instant = Time + "K";
    private const int ShortestTime = 19;
    private const int LongestTime = 33;

    /// <summary>The value, or what stands for it; null if a persistent store changes it.</summary>
    public static object? Of(object value) => value switch
    {
        string text => OfText(text),
        Enum => Of(Convert.ChangeType(value, Enum.GetUnderlyingType(value.GetType()), CultureInfo.InvariantCulture)),
        TimeOnly time => time.ToTimeSpan(),
        float => double.Parse(Text(value), CultureInfo.InvariantCulture),
        decimal or ulong => OfNumber(Text(value)),
        _ => value,
    };

    /// <summary>A text that a time becomes is that time: its offset may be that of the node that stored it.</summary>
    private static object OfText(string text)
    {
        if (text.Length is < ShortestTime or > LongestTime || text[10] != 'T')
        {
            return text;
        }

        CultureInfo culture = CultureInfo.InvariantCulture;
        return DateTime.TryParseExact(text, Time, culture, DateTimeStyles.None, out DateTime time) ? time
            : DateTimeOffset.TryParseExact(text, Instant, culture, DateTimeStyles.None, out DateTimeOffset instant) ? instant
            : text;
    }

    /// <summary>What is no whole number of 64 bits is read back as a <see cref="double"/>; null if that has not all its digits.</summary>
    private static object? OfNumber(string text)
    {
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole))
        {
            return whole;
        }

        double read = double.Parse(text, CultureInfo.InvariantCulture);
        return Exact(Text(read)) == Exact(text) ? read : null;
    }

    private static decimal? Exact(string number) =>
        decimal.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal exact) ? exact : null;

    private static string Text(object number) => ((IFormattable)number).ToString(null, CultureInfo.InvariantCulture);
}
