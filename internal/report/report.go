// Package report writes what the sensor saw: lines of p0f's log, the blocks
// that p0f prints on its standard output, JSON, and the SYNs that no signature
// matches as drafts of signatures. Each is an observer of an engine.
//
// It knows no file names and rotates nothing: it writes to an io.Writer, and
// Flush returns what was lost. Unknowns alone keeps a file of its own.
package report
