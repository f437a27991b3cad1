package servers

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// emptyMachine is a finder on a machine that has nothing.
func emptyMachine(t *testing.T) *finder {
	t.Helper()
	return &finder{
		log:      t.Output(),
		docker:   func(context.Context, Engine, io.Writer) (*Server, error) { return nil, errNoDocker },
		binaries: func(Engine) (string, error) { return "", errNoBinaries },
		install:  func(context.Context, Engine, io.Writer) error { return errNoApt },
	}
}

var (
	errNoDocker   = errors.New("docker is not there")
	errNoBinaries = errors.New("binaries are not there")
	errNoApt      = errors.New("apt is not there")
)

func TestNothingFoundTellsWhatToDo(t *testing.T) {
	for _, engine := range []Engine{PostgreSQL, MySQL} {
		t.Setenv(urlVariable(engine), "")
		_, err := emptyMachine(t).start(t.Context(), engine)
		for _, cause := range []error{errNoDocker, errNoBinaries, errNoApt} {
			if !errors.Is(err, cause) {
				t.Errorf("%v does not wrap %v", err, cause)
			}
		}
		for _, hint := range []string{urlVariable(engine), "Start Docker", image(engine), debianPackage(engine)} {
			if !strings.Contains(err.Error(), hint) {
				t.Errorf("%v does not mention %s", err, hint)
			}
		}
		if _, err = emptyMachine(t).startOwned(t.Context(), engine); strings.Contains(err.Error(), urlVariable(engine)) {
			t.Errorf("%v: the variable would not help StartOwned", err)
		}
	}
	if _, err := Start(t.Context(), "oracle", t.Output()); err == nil {
		t.Error("unknown engine started")
	}
}

func TestOnlyDockerIsGoodEnough(t *testing.T) {
	for _, engine := range []Engine{PostgreSQL, MySQL} {
		t.Setenv(sourceVariable, sourceDocker)
		t.Setenv(sourceOf(engine), "local binaries /usr/bin")
		t.Setenv(urlVariable(engine), "")
		f := newFinder(t.Output())
		f.docker = emptyMachine(t).docker
		f.binaries = func(Engine) (string, error) {
			t.Error("looks for binaries")
			return "", errNoBinaries
		}
		for _, start := range []func(context.Context, Engine) (*Server, error){f.start, f.startOwned} {
			if _, err := start(t.Context(), engine); !errors.Is(err, errNoDocker) || !strings.Contains(err.Error(), sourceVariable) {
				t.Errorf("%v does not tell that only Docker was asked for", err)
			}
		}
		t.Setenv(urlVariable(engine), adminURL(engine, "user", "secret", 1, "db"))
		if _, err := f.start(t.Context(), engine); err == nil || !strings.Contains(err.Error(), "excludes the server of "+urlVariable(engine)) {
			t.Errorf("the server of the environment was taken: %v", err)
		}
		t.Setenv(urlVariable(engine), "")
		t.Setenv(sourceVariable, "dokcer")
		if _, err := Start(t.Context(), engine, t.Output()); err == nil || !strings.Contains(err.Error(), "dokcer") {
			t.Errorf("an unknown source: %v", err)
		}
	}
}

func TestInstallsWhatIsMissing(t *testing.T) {
	f := emptyMachine(t)
	f.install = func(context.Context, Engine, io.Writer) error {
		f.binaries = func(Engine) (string, error) { return brokenBinaries(t), nil }
		return nil
	}
	if _, err := f.startOwned(t.Context(), PostgreSQL); err == nil || !strings.Contains(err.Error(), brokenOutput) {
		t.Errorf("the installed binaries were not started: %v", err)
	}
}

const brokenOutput = "it does not work today"

// brokenBinaries is a directory of server binaries which fail.
func brokenBinaries(t *testing.T) string {
	t.Helper()
	dir := openTempDir(t)
	script := "#!/bin/sh\necho " + brokenOutput + "\nexit 3\n"
	for _, name := range []string{"initdb", "postgres", "mysqld"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFailedStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", openTempDir(t))
	bin := brokenBinaries(t)
	for _, engine := range []Engine{PostgreSQL, MySQL} {
		f := emptyMachine(t)
		f.binaries = func(Engine) (string, error) { return bin, nil }
		_, err := f.startOwned(t.Context(), engine)
		if err == nil || !strings.Contains(err.Error(), brokenOutput) {
			t.Errorf("the output of the program is not in the error: %v", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "sessions-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// openTempDir is a temporary directory the account of PostgreSQL gets into.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestServicesStayDown(t *testing.T) {
	root := t.TempDir()
	policy := filepath.Join(root, policyFile)
	cluster := filepath.Join(root, clusterDir, "sessions-tests.conf")
	if err := os.MkdirAll(filepath.Dir(policy), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there are files of a process that was killed
		if _, err := keepServicesDown(root, PostgreSQL); err != nil {
			t.Fatal(err)
		}
	}
	restore, err := keepServicesDown(root, PostgreSQL)
	if err != nil || !has("", policy, cluster) {
		t.Fatal("files are not written", err)
	}
	if err := restore(); err != nil || has("", policy) || has("", cluster) {
		t.Fatal("files are not removed", err)
	}
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	restore, err = keepServicesDown(root, MySQL)
	if err = errors.Join(err, restore()); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(policy); err != nil || strings.Contains(string(content), ourMark) {
		t.Fatal("a file of the machine's owner was changed", err)
	}
}
