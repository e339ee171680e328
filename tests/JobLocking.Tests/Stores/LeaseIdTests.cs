using System.Buffers.Text;
using System.Collections.Concurrent;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.Tests.Stores;

public sealed class LeaseIdTests
{
    [Fact]
    public void No_two_ids_are_alike_whichever_thread_creates_them()
    {
        const int Threads = 8, Each = 1000;
        ConcurrentBag<string> ids = [];
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < Each; i++)
            {
                ids.Add(LeaseId.New());
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        Assert.Equal(Threads * Each, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Equal(16, Base64Url.DecodeFromChars(id).Length));

        // Nor do they have parts in common, as they would if a buffer was only half filled.
        Assert.Equal(Threads * Each, ids.Select(id => id[..11]).Distinct().Count());
        Assert.Equal(Threads * Each, ids.Select(id => id[11..]).Distinct().Count());
    }
}
