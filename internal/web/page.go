package web

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/mxprint/mxprint/third_party/uplot"
)

// The page is made of these files alone: no build step, nothing from elsewhere.
//
//go:embed page
var pageFiles embed.FS

var templates = template.Must(template.ParseFS(pageFiles, "page/*.html"))

// assets are the files that the page loads, by name. They hold no data.
var assets = loadAssets()

func loadAssets() map[string][]byte {
	all := map[string][]byte{"uPlot.iife.min.js": uplot.Script, "uPlot.min.css": uplot.Style}
	list, err := fs.Glob(pageFiles, "page/*.*")
	if err != nil {
		panic(err) // the pattern is right
	}
	for _, name := range list {
		if path.Ext(name) == ".html" {
			continue
		}
		if all[path.Base(name)], err = pageFiles.ReadFile(name); err != nil {
			panic(err) // it is in the program
		}
	}
	return all
}

var types = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

func asset(w http.ResponseWriter, r *http.Request) {
	text, ok := assets[r.PathValue("name")]
	if !ok {
		plain(w, http.StatusNotFound, "there is no such file\n")
		return
	}
	w.Header().Set("Content-Type", types[path.Ext(r.PathValue("name"))])
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(text)
}

// page serves the page without its data, which its script fetches.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	render(w, http.StatusOK, "index.html", struct{ Version string }{s.Status().Version})
}

// door serves the page of a link: that it was taken, or why not.
func (s *Server) door(w http.ResponseWriter, code int, problem string, goOn bool) {
	render(w, code, "door.html", struct {
		Problem string
		GoOn    bool
	}{strings.TrimSpace(problem), goOn})
}

func render(w http.ResponseWriter, code int, name string, data any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		plain(w, http.StatusInternalServerError, "the page cannot be made\n")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	w.Write(b.Bytes())
}
