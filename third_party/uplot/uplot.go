// Package uplot holds the files of uPlot 1.6.32 (https://github.com/leeoniya/uPlot,
// MIT, see LICENSE), unmodified, as npm has them: the plots of the page.
package uplot

import _ "embed" // the files

// Script and Style are uPlot's files for browsers.
var (
	//go:embed uPlot.iife.min.js
	Script []byte
	//go:embed uPlot.min.css
	Style []byte
)
