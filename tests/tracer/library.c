/* Loaded by target at run time. */
int library_function(int value);
int library_function(int value)
{
	return value + 1;
}
