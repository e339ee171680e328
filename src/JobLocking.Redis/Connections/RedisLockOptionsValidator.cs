using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>Stops the host at start, and never shows a connection string: there may be a password in it.</summary>
internal sealed class RedisLockOptionsValidator : IValidateOptions<RedisLockOptions>
{
    public ValidateOptionsResult Validate(string? name, RedisLockOptions options)
    {
        List<string> problems = [];
        string[] given =
        [
            .. string.IsNullOrWhiteSpace(options.Configuration) ? [] : new[] { nameof(options.Configuration) },
            .. options.ConfigurationOptions is null ? [] : new[] { nameof(options.ConfigurationOptions) },
            .. options.ConnectionMultiplexerFactory is null ? [] : new[] { nameof(options.ConnectionMultiplexerFactory) },
        ];

        if (given.Length == 0)
        {
            problems.Add(options.MissingConnection
                ?? "RedisLockOptions.Configuration is empty: no Redis is given. "
                + "Fix: UseRedis(\"localhost:6379\"), or UseRedis() for the IConnectionMultiplexer among the services.");
        }
        else if (given.Length > 1)
        {
            problems.Add($"RedisLockOptions has more than one Redis: {string.Join(", ", given)}. Fix: keep one of them.");
        }

        if (HasNoEndPoint(options) is { } why)
        {
            problems.Add($"RedisLockOptions.{given[0]} {why}. Fix: write it as in \"localhost:6379,password=…\".");
        }

        if (options.ConfigurationOptions is { Tunnel: not null, ServiceName: { Length: > 0 } service })
        {
            problems.Add($"RedisLockOptions.ConfigurationOptions has a Tunnel and the service name '{service}': JobLocking reaches the "
                + "primary that the sentinels name through a tunnel of its own. Fix: remove the Tunnel.");
        }

        if (string.IsNullOrEmpty(options.KeyPrefix))
        {
            problems.Add("RedisLockOptions.KeyPrefix is empty: every key of the database would be a lock. "
                + "Fix: keep the default 'task_lock:', or set another prefix.");
        }
        else if (options.KeyPrefix.AsSpan().ContainsAny('{', '}'))
        {
            problems.Add($"RedisLockOptions.KeyPrefix is '{options.KeyPrefix}': "
                + "a brace in it would spread the keys of one lock over a cluster. Fix: remove the braces.");
        }

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static string? HasNoEndPoint(RedisLockOptions options)
    {
        try
        {
            ConfigurationOptions? parsed = string.IsNullOrWhiteSpace(options.Configuration)
                ? options.ConfigurationOptions
                : ConfigurationOptions.Parse(options.Configuration);
            return parsed switch
            {
                { EndPoints.Count: 0 } => "names no server",
                not null when SecretRedaction.MayBeServers(parsed, options.Configuration) =>
                    "names a server in which a password may stand: a URI is not understood, "
                    + "and a comma ends a password, which can have one in ConfigurationOptions only",
                _ => null,
            };
        }
        catch (ArgumentException error)
        {
            return options.Configuration!.Contains("password", StringComparison.OrdinalIgnoreCase)
                ? "cannot be read: an option is unknown or has a bad value, which is not shown, as a password with a comma may be it"
                : $"cannot be read: {error.Message}";
        }
    }
}
