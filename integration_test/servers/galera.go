package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Galera is a cluster of MariaDB servers, each of which takes writes. They are
// throwaway instances of this machine's binaries on 127.0.0.1.
type Galera struct{ Nodes []*Server }

var galeraLibraries = []string{
	"/usr/lib/galera/libgalera_smm.so", // Debian, Ubuntu
	"/usr/lib64/galera-4/libgalera_smm.so",
	"/usr/lib64/galera/libgalera_smm.so",
}

// noDefaults keeps the machine's own configuration out.
const noDefaults = "--no-defaults"

// A galeraNode is a node that is not a server yet.
type galeraNode struct {
	*local
	port, group, transfer, increment int // ports: clients, the group's talk, copies of all data and of the latest
}

// StartGalera starts a cluster of that many nodes. The caller must
// [Galera.Close] it. Lines that say what is being installed go to log.
func StartGalera(ctx context.Context, size int, log io.Writer) (*Galera, error) {
	binDir, library, err := findGalera(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("servers: no Galera cluster here: %w\ninstall the packages %s, galera-4 and rsync", err, debianPackage(MySQL))
	}
	// Not root: rsync, which a new node gets the data by, would give up root and could not write it.
	runAs, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	g := &Galera{}
	if err := g.start(ctx, size, binDir, library, runAs); err != nil {
		return nil, errors.Join(fmt.Errorf("servers: Galera: %w", err), g.Close())
	}
	return g, nil
}

func findGalera(ctx context.Context, log io.Writer) (binDir, library string, err error) {
	if binDir, err = newFinder(log).localBinaries(ctx, MySQL); err != nil {
		return "", "", err
	}
	if !has(binDir, "mariadbd") {
		return "", "", fmt.Errorf("no mariadbd in %s", binDir)
	}
	for _, program := range []string{"rsync", "wsrep_sst_rsync"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", "", err
		}
	}
	for _, library = range galeraLibraries {
		if has("", library) {
			return binDir, library, nil
		}
	}
	return "", "", fmt.Errorf("none of %v", galeraLibraries)
}

// start starts the nodes one after the other: two that come at the same time
// would first talk to each other about which of them has the data.
func (g *Galera) start(ctx context.Context, size int, binDir, library string, runAs *account) (err error) {
	var nodes []*galeraNode // those that are no servers yet
	defer func() {
		for _, n := range nodes {
			err = errors.Join(err, n.remove())
		}
	}()
	var group []string
	for range size {
		n, err := newGaleraNode(ctx, runAs)
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
		group = append(group, address(n.group))
	}
	password := randomHex(16)
	for len(nodes) > 0 {
		n := nodes[0]
		n.configure(binDir, library, "gcomm://"+strings.Join(group, ","))
		if len(g.Nodes) == 0 {
			if err := n.setUpFirst(ctx, binDir, password); err != nil {
				return err
			}
		}
		nodes = nodes[1:] // newOwned removes what does not start
		s, err := newOwned(ctx, MySQL, adminURL(MySQL, adminUser, password, n.port, ""), "local binaries "+binDir, n.local)
		if err != nil {
			return fmt.Errorf("node %d: %w", len(g.Nodes)+1, err)
		}
		g.Nodes = append(g.Nodes, s)
	}
	for i, s := range g.Nodes {
		if err := s.await(ctx, galeraStatus("wsrep_cluster_size"), strconv.Itoa(size)); err != nil {
			return fmt.Errorf("node %d: %w", i+1, err)
		}
		if err := s.await(ctx, galeraStatus("wsrep_local_state_comment"), "Synced"); err != nil {
			return fmt.Errorf("node %d: %w", i+1, err)
		}
	}
	return nil
}

func galeraStatus(name string) string {
	return "SELECT variable_value FROM information_schema.global_status WHERE variable_name = '" + name + "'"
}

func newGaleraNode(ctx context.Context, runAs *account) (*galeraNode, error) {
	l, port, err := newLocal(ctx, MySQL, runAs, syscall.SIGTERM, os.Kill)
	if err != nil {
		return nil, err
	}
	n := &galeraNode{local: l, port: port}
	if err := errors.Join(os.Mkdir(n.data(), 0o700), runAs.own(n.data())); err != nil {
		return nil, errors.Join(err, l.remove())
	}
	for _, p := range []*int{&n.group, &n.transfer, &n.increment} {
		if *p, err = freePort(ctx); err != nil {
			return nil, errors.Join(err, l.remove())
		}
	}
	return n, nil
}

func (n *galeraNode) data() string { return filepath.Join(n.dir, "data") }

// configure completes the server command. A node that is silent for three
// seconds is taken for dead; Galera's default is five.
func (n *galeraNode) configure(binDir, library, group string) {
	n.server.path = filepath.Join(binDir, "mariadbd")
	n.server.args = []string{
		noDefaults, "--datadir=" + n.data(), "--bind-address=127.0.0.1", "--port=" + strconv.Itoa(n.port),
		"--skip-name-resolve", "--socket=mysql.sock", "--pid-file=mysql.pid", "--tmpdir=" + n.dir, "--max-connections=300",
		"--innodb-flush-log-at-trx-commit=2", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--skip-log-bin",
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
		"--wsrep-on=ON", "--wsrep-provider=" + library, "--wsrep-cluster-name=sessions", "--wsrep-cluster-address=" + group,
		"--wsrep-node-address=" + address(n.group), "--wsrep-node-incoming-address=" + address(n.port),
		"--wsrep-sst-method=rsync", "--wsrep-sst-receive-address=" + address(n.transfer),
		"--wsrep-provider-options=base_host=127.0.0.1;base_port=" + strconv.Itoa(n.group) +
			";gmcast.listen_addr=tcp://" + address(n.group) + ";ist.recv_addr=" + address(n.increment) +
			";gcache.size=16M;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S",
	}
}

// setUpFirst makes the data of the node that founds the cluster. The others copy it.
func (n *galeraNode) setUpFirst(ctx context.Context, binDir, password string) (err error) {
	account := "'" + adminUser + "'@'127.0.0.1'"
	initFile, err := n.writeFile("init.sql", "CREATE USER IF NOT EXISTS "+account+" IDENTIFIED BY '"+password+"';\n"+
		"GRANT ALL PRIVILEGES ON *.* TO "+account+" WITH GRANT OPTION;\n")
	if err != nil {
		return err
	}
	setup := n.server
	if setup.path, err = findInstallDB(binDir); err != nil {
		return err
	}
	setup.args = []string{
		// A tmpdir of its own: a server that starts removes the temporary tables it finds in its.
		noDefaults, "--datadir=" + n.data(), "--tmpdir=" + n.dir, "--innodb-log-file-size=8M",
		"--auth-root-authentication-method=normal", "--skip-test-db",
	}
	n.server.args = append(n.server.args, "--init-file="+initFile, "--wsrep-new-cluster")
	return setup.run(ctx)
}

// Close ends all nodes and removes their files.
func (g *Galera) Close() error {
	errs := make([]error, 0, len(g.Nodes))
	for _, s := range g.Nodes {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
