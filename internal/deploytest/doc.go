// Package deploytest holds what is under deploy/ to the program that it starts:
// variables that exist and values that it accepts, doors that it opens, paths that
// it answers, and time enough to stop in. It is a test and nothing else.
package deploytest
