using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Redis.Tests.Security;

/// <summary>A server that speaks TLS on a port of its own, with a certificate that is not trusted by default.</summary>
public sealed class TlsServer : IAsyncLifetime
{
    public const string Password = "correct-horse";

    private readonly string _directory = Directory.CreateTempSubdirectory("joblocking-tls-").FullName;

    private RedisServer _server = null!;

    private string Key => Path.Combine(_directory, "server.key");

    /// <summary>The one certificate to trust: it is self-signed.</summary>
    public string Authority => Path.Combine(_directory, "server.crt");

    public string Endpoint { get; private set; } = null!;

    /// <summary>Where the sentinel speaks TLS.</summary>
    public int SentinelPort { get; private set; }

    public async ValueTask InitializeAsync()
    {
        using (RSA rsa = RSA.Create(2048))
        {
            CertificateRequest request = new("CN=localhost", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            SubjectAlternativeNameBuilder names = new();
            names.AddDnsName("localhost");
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
            using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(80));
            await File.WriteAllTextAsync(Authority, certificate.ExportCertificatePem());
            await File.WriteAllTextAsync(Key, rsa.ExportRSAPrivateKeyPem());
        }

        for (int attempt = 1; ; attempt++)
        {
            int port = FreePort();
            try
            {
                _server = await RedisServer.StartAsync(
                    "--tls-port", $"{port}", "--tls-cert-file", Authority, "--tls-key-file", Key, "--tls-auth-clients", "no", "--requirepass", Password);
                Endpoint = $"127.0.0.1:{port}";
                return;
            }
            catch (InvalidOperationException) when (attempt < 5)
            {
                // Another process has taken the port meanwhile.
            }
        }
    }

    /// <summary>Starts a sentinel that has the same certificate and names this server. It needs no password.</summary>
    public async Task<RedisServer> StartSentinelAsync()
    {
        string configuration = $"sentinel monitor locks {Endpoint.Replace(':', ' ')} 1\nsentinel auth-pass locks {Password}\n";
        for (int attempt = 1; ; attempt++)
        {
            SentinelPort = FreePort();
            try
            {
                return await RedisServer.StartSentinelAsync(
                    configuration, "--tls-port", $"{SentinelPort}", "--tls-cert-file", Authority, "--tls-key-file", Key,
                    "--tls-ca-cert-file", Authority, "--tls-auth-clients", "no", "--tls-replication", "yes");
            }
            catch (InvalidOperationException) when (attempt < 5)
            {
                // Another process has taken the port meanwhile.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private static int FreePort()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
