package reply

import "net/http"

// Return copies back to a request what a handler noted in its copy. net/http deletes the
// temporary files of an uploaded form only if it finds the form in its own request, and
// middleware further out reads the pattern.
func Return(noted, to *http.Request) {
	if noted.MultipartForm != nil {
		to.MultipartForm = noted.MultipartForm
	}
	if noted.Form != nil {
		to.Form, to.PostForm = noted.Form, noted.PostForm
	}
	to.Pattern = noted.Pattern
}
