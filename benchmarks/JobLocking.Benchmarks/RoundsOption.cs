using System.CommandLine;
using System.Globalization;

namespace JobLocking.Benchmarks;

/// <summary><c>--rounds</c> of the commands that measure something several times.</summary>
internal static class RoundsOption
{
    public static Option<int> Create(string description, int rounds)
    {
        Option<int> option = new("--rounds") { Description = description, DefaultValueFactory = _ => rounds };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => !int.TryParse(token.Value, CultureInfo.InvariantCulture, out int value) || value < 1))
            {
                result.AddError("--rounds has to be a number from 1.");
            }
        });
        return option;
    }
}
