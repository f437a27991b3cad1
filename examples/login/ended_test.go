package main

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"
)

// A session that is ended while one of its requests runs does not come back
// with that request.
func TestEndedWhileRunning(t *testing.T) {
	a := newApp(t)
	here, there := a.browser(t), a.browser(t)
	here.login("alice")
	there.login("alice")

	// The server asks for the body when the handler reads it, and by then the
	// session has been loaded.
	running := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got100Continue: func() { close(running) },
	})
	body, form := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/notes", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Expect", "100-continue")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	slow := &http.Client{Jar: here.client.Jar, Transport: &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true}}
	answer := make(chan *http.Response)
	go func() {
		response, err := slow.Do(r)
		if err != nil {
			t.Error(err)
		}
		answer <- response
	}()

	<-running
	there.post("/logout/everywhere")
	if _, err := io.WriteString(form, "text=too+late"); err != nil {
		t.Fatal(err)
	}
	form.Close()
	response := <-answer
	if response == nil {
		t.FailNow()
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusConflict {
		t.Errorf("status %d, want 409", response.StatusCode)
	}
	contains(t, string(page), "This session has ended")
	contains(t, string(page), "You were signed out because you logged out everywhere")
	here.isSignedIn(false)
	lacks(t, here.home(), "too late")
}
