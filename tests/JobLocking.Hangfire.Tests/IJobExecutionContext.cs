namespace Quartz;

/// <summary>Stands in for the type of this name, because the name is all that counts.</summary>
public interface IJobExecutionContext;
