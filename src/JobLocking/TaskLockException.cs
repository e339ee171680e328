namespace JobLocking;

/// <summary>
/// A lock is declared incorrectly, or its name cannot be resolved. This is the base class of all exceptions of JobLocking.
/// </summary>
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
