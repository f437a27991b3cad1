package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// networkVariable set to "host" has containers use the network of this machine,
// for an engine that has none of its own. They listen on 127.0.0.1 alone.
const networkVariable = "SESSIONS_TEST_DOCKER_NETWORK"

const (
	engineTimeout = 5 * time.Second // for Docker to answer at all
	pullTimeout   = 2 * time.Minute
)

// image is the container image of the engine.
func image(engine Engine) string {
	variable, name := "SESSIONS_TEST_POSTGRES_IMAGE", "postgres:17-alpine"
	if engine == MySQL {
		variable, name = "SESSIONS_TEST_MYSQL_IMAGE", "mariadb:11.4"
	}
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return name
}

// containerInstance is a throwaway instance in a container.
type containerInstance struct{ container testcontainers.Container }

func startDocker(ctx context.Context, engine Engine, log io.Writer, args ...string) (*Server, error) {
	prepareTestcontainers(log)
	docker, err := dockerEngine(ctx)
	if err != nil {
		return nil, err
	}
	img := image(engine)
	err = haveImage(ctx, docker, img, log)
	if err = errors.Join(err, docker.Close()); err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	password := randomHex(16)
	request := containerRequest(engine, img, port, password)
	request.Cmd = append(request.Cmd, args...)
	if os.Getenv(networkVariable) == "host" {
		onHostNetwork(&request, engine, port)
	}
	created, err := testcontainers.GenericContainer(ctx, request)
	if err != nil {
		return nil, errors.Join(err, testcontainers.TerminateContainer(created))
	}
	user := adminUser
	if engine == MySQL {
		user = "root" // MYSQL_USER may not create databases
	}
	return newOwned(ctx, engine, adminURL(engine, user, password, port, adminUser),
		"docker image "+img, &containerInstance{created})
}

// containerRequest describes the container. Its port on the host is a fixed
// one: Docker would choose another at each start.
func containerRequest(engine Engine, img string, port int, password string) testcontainers.GenericContainerRequest {
	inside := "5432/tcp"
	env := map[string]string{"POSTGRES_USER": adminUser, "POSTGRES_PASSWORD": password, "POSTGRES_DB": adminUser}
	cmd := []string{"postgres", "-c", "max_connections=300", "-c", "fsync=off"}
	if engine == MySQL {
		inside = "3306/tcp"
		env = map[string]string{"MYSQL_ROOT_PASSWORD": password, "MYSQL_DATABASE": adminUser}
		cmd = []string{"--max-connections=300", "--innodb-flush-log-at-trx-commit=2"}
	}
	return testcontainers.GenericContainerRequest{
		Logger: tclog.NewNoopLogger(),
		ContainerRequest: testcontainers.ContainerRequest{
			Image:        img,
			Env:          env,
			Cmd:          cmd,
			ExposedPorts: []string{inside},
			HostConfigModifier: func(host *container.HostConfig) {
				host.PortBindings = network.PortMap{network.MustParsePort(inside): {
					{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(port)},
				}}
			},
		},
	}
}

// onHostNetwork has the server listen where its port would be published.
func onHostNetwork(request *testcontainers.GenericContainerRequest, engine Engine, port int) {
	request.ExposedPorts = nil
	request.HostConfigModifier = func(host *container.HostConfig) { host.NetworkMode = network.NetworkHost }
	options := []string{"-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(port)}
	if engine == MySQL {
		options = []string{"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port)}
	}
	request.Cmd = append(request.Cmd, options...)
}

func (c *containerInstance) start(ctx context.Context) error { return c.container.Start(ctx) }

func (c *containerInstance) alive() error {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	state, err := c.container.State(ctx)
	if err != nil || state.Running {
		return err
	}
	logs, err := c.container.Logs(ctx)
	if err != nil {
		return fmt.Errorf("the container ended with exit code %d", state.ExitCode)
	}
	defer logs.Close()
	output, err := io.ReadAll(logs)
	if err != nil {
		return fmt.Errorf("the container ended with exit code %d; its output: %w", state.ExitCode, err)
	}
	return fmt.Errorf("the container ended with exit code %d; the end of its output:\n%s", state.ExitCode, tail(output))
}

func (c *containerInstance) stop(ctx context.Context) error {
	grace := 10 * time.Second
	return c.container.Stop(ctx, &grace)
}

func (c *containerInstance) remove() error {
	return testcontainers.TerminateContainer(c.container, testcontainers.StopTimeout(0))
}

// dockerEngine returns a client of the Docker engine of this machine.
func dockerEngine(ctx context.Context) (*testcontainers.DockerClient, error) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, fmt.Errorf("no engine answers: %w", err)
	}
	host, err := url.Parse(docker.DaemonHost())
	if err == nil && host.Scheme != "unix" && host.Scheme != "npipe" && host.Hostname() != "127.0.0.1" && host.Hostname() != "localhost" {
		err = errors.New("the engine is on another machine, ports it publishes on 127.0.0.1 can't be reached")
	}
	if err != nil {
		return nil, errors.Join(err, docker.Close())
	}
	return docker, nil
}

// haveImage pulls the image unless it is there.
func haveImage(ctx context.Context, docker client.APIClient, img string, log io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	if _, err := docker.ImageInspect(ctx, img); err == nil {
		return nil
	}
	_, _ = fmt.Fprintf(log, "servers: pulling the image %s, for at most %v\n", img, pullTimeout)
	pull, err := docker.ImagePull(ctx, img, client.ImagePullOptions{})
	if err != nil {
		return fmt.Errorf("pull image %s: %w", img, err)
	}
	if err := errors.Join(pull.Wait(ctx), pull.Close()); err != nil {
		return fmt.Errorf("pull image %s: %w", img, err)
	}
	return nil
}

var prepareOnce sync.Once

// prepareTestcontainers makes settings which testcontainers reads only once,
// before it reads them.
func prepareTestcontainers(log io.Writer) {
	prepareOnce.Do(func() {
		// It reports on each step it takes, to stderr.
		tclog.SetDefault(tclog.NewNoopLogger())
		// In a sandbox it takes the gateway for the host of published ports.
		setDefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
		if _, set := os.LookupEnv("TESTCONTAINERS_RYUK_DISABLED"); !set && !haveReaper(log) {
			// It would refuse to start any container without the image of
			// Ryuk, which removes the containers of killed tests.
			setDefault("TESTCONTAINERS_RYUK_DISABLED", "true")
		}
	})
}

// haveReaper reports whether Ryuk's image is there or can be pulled. It is true
// when that can't be found out.
func haveReaper(log io.Writer) bool {
	docker, err := client.New(client.FromEnv)
	if err != nil {
		return true
	}
	defer docker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if _, err := docker.Ping(ctx, client.PingOptions{}); err != nil {
		return true
	}
	return haveImage(context.Background(), docker, testcontainers.ReaperDefaultImage, log) == nil //nolint:staticcheck // the value that replaces it is internal
}

func setDefault(variable, value string) {
	if _, set := os.LookupEnv(variable); !set {
		_ = os.Setenv(variable, value) // fails for no name this package uses
	}
}
