package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var commands = [][]string{
	{},
	{"migrate"},
	{"migrate", "up"},
	{"migrate", "down"},
	{"migrate", "status"},
	{"migrate", "version"},
	{"migrate", "force"},
	{"migrate", "print"},
	{"cleanup"},
	{"doctor"},
	{"import"},
	{"version"},
	{"help"},
}

func TestHelp(t *testing.T) {
	const secret = "postgres://bob:Tr0ub4dor@h/db"
	for _, name := range commands {
		r := run(t, secret, append(name, "--help")...)
		if r.code != 0 || r.err != "" || strings.Contains(r.out, "Tr0ub4dor") {
			t.Errorf("%v: %+v", name, r)
		}
		line := strings.Join(append([]string{"sessions"}, name...), " ")
		for _, text := range []string{"Usage:\n  " + line, "Examples:\n", "--database-url URL", "--quiet"} {
			if !strings.Contains(r.out, text) {
				t.Errorf("%v: no %q in the help:\n%s", name, text, r.out)
			}
		}
		if asArgument := run(t, secret, append([]string{"help"}, name...)...); asArgument != r {
			t.Errorf("%v: help and --help differ:\n%s", name, asArgument.out)
		}
		for text := range strings.Lines(r.out) {
			if len(text) > 100 {
				t.Errorf("%v: a line too long for a terminal: %s", name, text)
			}
		}
	}
	plain, help := run(t, ""), run(t, "", "--help")
	if plain != help {
		t.Errorf("sessions alone prints no help: %+v", plain)
	}
	about, _, _ := strings.Cut(help.out, "The database is named by")
	for _, does := range []string{"Migrates", "deletes expired sessions", "examines", "(doctor)"} {
		if !strings.Contains(about, does) {
			t.Errorf("what the program does lacks %q: %s", does, about)
		}
	}
}

// A command that is added later gets its help looked at, too.
func TestHelpCoversAllCommands(t *testing.T) {
	count := 0
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		count++
		if cmd.Example == "" || cmd.Long == "" || cmd.Short == "" {
			t.Errorf("%s lacks help", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			if sub.Name() != "completion" { // cobra's
				visit(sub)
			}
		}
	}
	root := newRoot(&app{})
	root.InitDefaultHelpCmd()
	visit(root)
	if count != len(commands) {
		t.Errorf("%d commands, and %d are tested", count, len(commands))
	}
}

func TestUsageErrors(t *testing.T) {
	for line, text := range map[string]string{
		"bogus":               `unknown command "bogus"`,
		"migrat up":           "did you mean migrate?",
		"clean":               "did you mean cleanup?",
		"migrate stats":       "did you mean status?",
		"migrate":             "up, down, status, version, force or print",
		"migrate up now":      `"now"`,
		"migrate up --bogus":  "--bogus",
		"migrate down 0":      `"0"`,
		"migrate down x":      `"x"`,
		"migrate down 1 2":    "one number",
		"migrate force":       "sessions migrate force 4",
		"migrate force x":     `"x"`,
		"migrate force 1 2":   "sessions migrate force 4",
		"cleanup --every x":   "--every",
		"migrate up --yes":    "--yes",
		"help bogus":          `"bogus"`,
		"completion bogus":    `"bogus"`,
		"completion":          "bash, fish, powershell or zsh",
		"help migrate stats":  "did you mean status?",
		"version --timeout x": "--timeout",
		"import --from connect-pg-simple --lifetime 0s":     "--lifetime 0s: use 1s to 9600h",
		"import --from connect-pg-simple --lifetime 99999h": "use 1s to 9600h",
		"import --from connect-pg-simple --lifetime 30d":    "--lifetime",
	} {
		r := run(t, "", strings.Fields(line)...)
		r.wantError(t, exitUsage, text)
		if strings.Count(r.err, "\n") != 3 || !strings.Contains(r.err, "--help\n") {
			t.Errorf("%s: not an error, the usage, and where to find more:\n%s", line, r.err)
		}
	}
}

func TestVersion(t *testing.T) {
	r := run(t, "", "version")
	for _, text := range []string{"version   ", "revision  ", "go        go1.", "schema    4\n"} {
		if r.code != 0 || r.err != "" || !strings.Contains(r.out, text) {
			t.Errorf("no %q in %+v", text, r)
		}
	}
	if r := run(t, "", "--version"); r.code != 0 || !strings.HasPrefix(r.out, "sessions version ") {
		t.Errorf("%+v", r)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := run(t, "", "completion", shell); r.code != 0 || len(r.out) < 1000 || !strings.Contains(r.out, "sessions") {
			t.Errorf("%s: %+v", shell, r)
		}
	}
	for line, want := range map[string]string{
		"migrate print --dialect|": "postgres\nmysql\nsqlite\n:4\n",
		"migrate force|":           ":4\n",
		"cleanup --every|":         ":4\n",
	} {
		args := append(strings.Fields(strings.TrimSuffix(line, "|")), "")
		if r := run(t, "", append([]string{"__complete"}, args...)...); r.out != want {
			t.Errorf("%s completes to %q, want %q", line, r.out, want)
		}
	}
}
