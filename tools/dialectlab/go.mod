module github.com/mxprint/mxprint/tools/dialectlab

go 1.26.0

require github.com/mxprint/mxprint v0.0.0

replace github.com/mxprint/mxprint => ../..
