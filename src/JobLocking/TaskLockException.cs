namespace JobLocking;

/// <summary>A lock that is declared wrongly, or whose name cannot be resolved. The base of all exceptions of JobLocking.</summary>
public class TaskLockException : Exception
{
    /// <summary>Creates the exception with a message that names the job, the property, the value and the fix.</summary>
    public TaskLockException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and its cause.</summary>
    public TaskLockException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
