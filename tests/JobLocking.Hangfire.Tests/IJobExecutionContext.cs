namespace Quartz;

/// <summary>Stands in for the type of this name: what it is recognised by.</summary>
public interface IJobExecutionContext;
