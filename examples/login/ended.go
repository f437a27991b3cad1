package main

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/sqlsessions/sessions"
)

// maxPerUser is how many sessions a user may have; the oldest ends when there is one more.
const maxPerUser = 3

// because says why a session ended. A reason that is not listed needs no explanation.
var because = map[sessions.Reason]string{
	sessions.ReasonLogout:      "You were signed out because you logged out in another window.",
	sessions.ReasonRevoked:     "You were signed out because you ended this session from another device.",
	sessions.ReasonRevokedUser: "You were signed out because you logged out everywhere, or changed your password.",
	sessions.ReasonEvicted:     fmt.Sprintf("You were signed out because you signed in on more than %d devices.", maxPerUser),
	sessions.ReasonReplay:      "You were signed out because an old copy of this browser's cookie was used.",
	sessions.ReasonIdle:        "Your last session in this browser ended because it was not used for a while.",
	sessions.ReasonLifetime:    "Your last session in this browser ended because the sign-in was too long ago.",
}

// whyEnded says why the session that the request's cookie names has ended, or "". It costs
// a query, but only if there was a cookie that opens nothing.
func whyEnded(r *http.Request) string {
	reason, err := sessions.FromContext(r.Context()).EndedReason(r.Context())
	if err != nil { // the page is as good without it
		slog.Error("why a session ended is not known", "error", err)
	}
	return because[reason]
}
