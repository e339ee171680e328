using System.Globalization;
using System.Reflection;
using System.Text;

namespace JobLocking.Policy;

/// <summary>
/// A lock's name with placeholders. In a value <c>% { } : @</c> are percent-escaped, in literal text <c>% { }</c>: no brace
/// reaches a key, where it would change the hash slot. What separates two placeholders is escaped in values as well, so
/// that two sets of values of one template never give the same name.
/// </summary>
internal sealed class NameTemplate
{
    public const int MaxBytes = 512;

    // A lone surrogate would become U+FFFD, so two different names would share one key.
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private const string EscapedInLiterals = "%{}";

    private const string EscapedInValues = "%{}:@";

    private readonly Part[] _parts;

    private readonly string _escapedInValues;

    private NameTemplate(string text, Part[] parts, string separators)
    {
        Text = text;
        _parts = parts;
        _escapedInValues = EscapedInValues + separators;
        Placeholders = [.. parts.Where(p => p.IsPlaceholder).Select(p => p.Text)];
    }

    public string Text { get; }

    public IReadOnlyList<string> Placeholders { get; }

    /// <summary>The name of a lock taken by hand.</summary>
    public static string FromHand(string name)
    {
        string resolved = name;
        if (name.AsSpan().ContainsAny(EscapedInLiterals))
        {
            StringBuilder escaped = new(name.Length);
            Escape(name, escaped, EscapedInLiterals);
            resolved = escaped.ToString();
        }

        return Problem(resolved) is { } problem
            ? throw new TaskLockException($"Lock name '{Shorten(name)}': {problem}")
            : resolved;
    }

    /// <summary>Reads a template, or says what is wrong with it.</summary>
    public static NameTemplate? Parse(string? text, out string? problem)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            problem = "the name is empty. Fix: give the lock a name.";
            return null;
        }

        List<Part> parts = [];
        StringBuilder literal = new();
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            bool doubled = i + 1 < text.Length && text[i + 1] == c;
            if (c is '{' or '}' && doubled)
            {
                Escape(text.AsSpan(i, 1), literal, EscapedInLiterals);
                i++;
            }
            else if (c == '{')
            {
                int end = text.IndexOf('}', i);
                string placeholder = end < 0 ? "" : text[(i + 1)..end];
                if (placeholder.Length == 0 || placeholder.Contains('{', StringComparison.Ordinal))
                {
                    problem = $"the brace at position {i} does not open a placeholder. Fix: close it, or write {{{{ for a literal brace.";
                    return null;
                }

                if (literal.Length > 0)
                {
                    parts.Add(new Part(literal.ToString(), IsPlaceholder: false));
                    literal.Clear();
                }

                parts.Add(new Part(placeholder, IsPlaceholder: true));
                i = end;
            }
            else if (c == '}')
            {
                problem = $"the brace at position {i} does not close a placeholder. Fix: write }}}} for a literal brace.";
                return null;
            }
            else
            {
                Escape(text.AsSpan(i, 1), literal, EscapedInLiterals);
            }
        }

        if (literal.Length > 0)
        {
            parts.Add(new Part(literal.ToString(), IsPlaceholder: false));
        }

        problem = Problem(string.Concat(parts.Where(p => !p.IsPlaceholder).Select(p => p.Text)), mayBeEmpty: true);
        string separators = "";
        for (int i = 1; i < parts.Count && problem is null; i++)
        {
            bool separates = i + 1 < parts.Count && parts[i - 1].IsPlaceholder && parts[i + 1].IsPlaceholder;
            char separator = separates ? parts[i].Text.FirstOrDefault(IsSeparator) : default;
            if (separator != default)
            {
                separators += separator;
            }
            else if (separates || (parts[i - 1].IsPlaceholder && parts[i].IsPlaceholder))
            {
                string next = parts[separates ? i + 1 : i].Text;
                problem = $"nothing separates {{{parts[i - 1].Text}}} from {{{next}}}, so different values could give the same name. "
                    + "Fix: put a ':' between them.";
            }
        }

        return problem is null ? new NameTemplate(text, [.. parts], separators) : null;

        static bool IsSeparator(char c) => char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c) && c != '%';
    }

    /// <summary>What is wrong with placeholders that name properties: one that no value of the type can have.</summary>
    /// <param name="typeOf">The declared type of a placeholder's root; null if it is not known.</param>
    public IEnumerable<string> MissingProperties(Func<string, Type?> typeOf)
    {
        foreach (string placeholder in Placeholders)
        {
            string[] path = placeholder.Split('.');
            Type? type = path.Length > 1 ? typeOf(path[0]) : null;
            for (int i = 1; i < path.Length && type is not null; i++)
            {
                type = Nullable.GetUnderlyingType(type) ?? type;
                if (type.IsAbstract || type.ContainsGenericParameters || type == typeof(object) || DecoratedJobs.AreDerivedFrom(type))
                {
                    break; // What the value will be is not known.
                }

                PropertyInfo? property = Property(type, path[i]);
                if (property is null)
                {
                    string root = string.Join('.', path[..i]);
                    string[] known = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
                        .Where(p => p.GetIndexParameters().Length == 0).Select(p => $"{{{root}.{p.Name}}}").Distinct()];
                    yield return $"Name has the placeholder {{{placeholder}}}, but {type} has no public property '{path[i]}'. "
                        + $"Fix: use {(known.Length > 0 ? string.Join(", ", known) : $"{{{root}}}")}, or write {{{{ for a literal brace.";
                }

                type = property?.PropertyType;
            }
        }
    }

    public string Resolve(string job, Func<string, object?> valueOf)
    {
        if (Placeholders.Count == 0)
        {
            return _parts[0].Text;
        }

        StringBuilder name = new();
        foreach (Part part in _parts)
        {
            if (!part.IsPlaceholder)
            {
                name.Append(part.Text);
                continue;
            }

            object? value = Find(part.Text, valueOf);
            string text = value is null ? "" : Format(value) ?? throw Wrong(
                job,
                $"placeholder {{{part.Text}}} has a value of type {value.GetType()}, which has no text form. "
                + $"Fix: use one of its properties, for example {{{part.Text}.Id}}, or a value that is a string, a number or a time.");
            if (text.Length == 0)
            {
                throw Wrong(
                    job,
                    $"placeholder {{{part.Text}}} has no value. "
                    + "Fix: use an argument or job data key that has a value, or write {{ for a literal brace.");
            }

            Escape(text, name, _escapedInValues);
        }

        string resolved = name.ToString();
        return Problem(resolved) is { } problem ? throw Wrong(job, problem) : resolved;
    }

    private static object? Find(string placeholder, Func<string, object?> valueOf)
    {
        if (valueOf(placeholder) is { } value)
        {
            return value;
        }

        string[] path = placeholder.Split('.');
        object? current = path.Length > 1 ? valueOf(path[0]) : null;
        foreach (string property in path.Skip(1))
        {
            current = current is null ? null : LockPolicy.ReadProperty(current, property);
        }

        return current;
    }

    /// <summary>The one of the type itself, where it hides one that it inherits.</summary>
    internal static PropertyInfo? Property(Type type, string name)
    {
        PropertyInfo? found = null;
        for (Type? declaring = type; declaring is not null && found is null; declaring = declaring.BaseType)
        {
            found = declaring.GetProperty(name, BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly);
        }

        return found;
    }

    /// <summary>A text that is the same for equal values, on every machine, and differs for others; null if the type has none.</summary>
    internal static string? Format(object value) => value switch
    {
        string text => text,
        DateTime { Kind: DateTimeKind.Local } time => FormatTime(time.ToUniversalTime()),
        DateTime time => FormatTime(time),
        DateTimeOffset time => FormatTime(time.UtcDateTime),
        DateOnly or TimeOnly => ((IFormattable)value).ToString("O", CultureInfo.InvariantCulture),
        0d or 0f => "0", // -0 is equal to it
        decimal number => number.ToString("G29", CultureInfo.InvariantCulture), // 1.0 and 1.00 are one value

        // A time in an object of a JSON library, which would write it without its fractions of a second.
        IConvertible time when time.GetTypeCode() == TypeCode.DateTime => Format(time.ToDateTime(CultureInfo.InvariantCulture)),
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        IConvertible convertible => convertible.ToString(CultureInfo.InvariantCulture),
        _ => null, // a record would write its parts in the culture of the node, and its lists by their type
    };

    /// <summary>
    /// An instant always gives the same text. A time without a kind stays without one: only its author knows which instant is meant. As
    /// short as a JSON serializer writes it, since a store may give the text back and not the time.
    /// </summary>
    private static string FormatTime(DateTime time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", CultureInfo.InvariantCulture);

    private static void Escape(ReadOnlySpan<char> text, StringBuilder target, string escaped)
    {
        foreach (char c in text)
        {
            if (escaped.Contains(c, StringComparison.Ordinal))
            {
                target.Append(CultureInfo.InvariantCulture, $"%{(int)c:X2}");
            }
            else
            {
                target.Append(c);
            }
        }
    }

    private static string? Problem(string resolved, bool mayBeEmpty = false)
    {
        if (string.IsNullOrWhiteSpace(resolved) && !mayBeEmpty)
        {
            return "the name is empty. Fix: give the lock a name.";
        }

        try
        {
            int bytes = StrictUtf8.GetByteCount(resolved);
            return bytes <= MaxBytes
                ? null
                : $"the name '{Shorten(resolved)}' has {bytes} bytes, but at most {MaxBytes} are allowed. "
                    + "Fix: use a shorter name or value, for example an id.";
        }
        catch (EncoderFallbackException)
        {
            return "the name is not valid Unicode: it contains half of a surrogate pair. Fix: use complete characters.";
        }
    }

    private static string Shorten(string text) => text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 60), "…");

    private TaskLockException Wrong(string job, string problem) => new($"Lock '{Text}' of job {job}: {problem}");

    private readonly record struct Part(string Text, bool IsPlaceholder);
}
