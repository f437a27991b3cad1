package reply

import "net/http"

// Return gives to a request what a handler noted in its copy: net/http deletes the temporary
// files of the form when it is done with its own request, and middleware further out asks
// for the pattern.
func Return(noted, to *http.Request) {
	to.Form, to.PostForm, to.MultipartForm = noted.Form, noted.PostForm, noted.MultipartForm
	to.Pattern = noted.Pattern
}
