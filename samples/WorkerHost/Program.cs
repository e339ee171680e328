await Task.Yield();
