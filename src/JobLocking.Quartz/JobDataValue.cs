using System.Globalization;

namespace JobLocking.Quartz;

/// <summary>
/// A value of the job data, the same from every store. In memory it keeps its type; a persistent store writes JSON, and reads back texts,
/// numbers and booleans. Both must have the same text in the name of a lock.
/// </summary>
internal static class JobDataValue
{
    // As System.Text.Json writes a time, without and with its offset.
    private const string Time = "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF";
    private const string Instant = Time + "K";
    private const int ShortestTime = 19;
    private const int LongestTime = 33;

    /// <summary>The value to use in a name; null if a persistent store loses digits of it.</summary>
    public static object? Of(object value) => value switch
    {
        string text => OfText(text),
        Enum => Of(Convert.ChangeType(value, Enum.GetUnderlyingType(value.GetType()), CultureInfo.InvariantCulture)),
        TimeOnly time => time.ToTimeSpan(),
        float => double.Parse(Text(value), CultureInfo.InvariantCulture),
        decimal or ulong => OfNumber(Text(value)),
        _ => value,
    };

    /// <summary>A text that is a stored time is read as that time, since its offset may be that of the node that stored it.</summary>
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

    /// <summary>A number that is no 64-bit integer is read back as a <see cref="double"/>; null if that loses digits.</summary>
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
