// Oracle: Go's bbolt says what a bolt file holds, whether it is sound, and makes files to test with.
//
// Build on Debian: apt-get install golang-go golang-github-coreos-bbolt-dev
// GO111MODULE=off GOPATH=/usr/share/gocode go build -o oracle ./ci/oracle
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

const usage = `usage:
  oracle dump FILE            every bucket and key, in order, one per line
  oracle check FILE           tx.Check: each error on a line, exit 1 if there is one
  oracle inspect              files named on stdin, one per line, each in a process of its own:
                              FILE<tab>sound<tab>SHA-256 of its dump | unsound | refused | crashed<tab>why
  oracle make [-kind K] [-page BYTES] [-nofreelist] [-seed N] FILE
  oracle write [-seconds N] [-nosync] [-nofreelist] [-mib N] [-pause D] FILE
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(16)
	}
	var err error
	switch command, args := os.Args[1], os.Args[2:]; command {
	case "dump":
		err = dumpCommand(args)
	case "check":
		err = checkCommand(args)
	case "inspect":
		err = inspectAll()
	case "inspect-one":
		err = inspectOne(args[0])
	case "make":
		err = makeCommand(args)
	case "write":
		err = writeCommand(args)
	default:
		err = fmt.Errorf("no command %q\n%s", command, usage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func readOnly(name string) (*bolt.DB, error) {
	// Bolt would create it otherwise.
	if _, err := os.Stat(name); err != nil {
		return nil, err
	}
	return bolt.Open(name, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
}

// text is hex, or the SHA-256 of what is longer than 64 bytes.
func text(data []byte) string {
	if len(data) > 64 {
		return fmt.Sprintf("#%x", sha256.Sum256(data))
	}
	return hex.EncodeToString(data)
}

// dump writes "bucket PATH SEQUENCE" and "key PATH KEY VALUE" lines.
func dump(db *bolt.DB, out io.Writer) error {
	return db.View(func(tx *bolt.Tx) error {
		return dumpBucket(out, "", tx.Cursor().Bucket())
	})
}

func dumpBucket(out io.Writer, path string, bucket *bolt.Bucket) error {
	return bucket.ForEach(func(key, value []byte) error {
		if value != nil {
			_, err := fmt.Fprintf(out, "key %s/ %s %s\n", path, text(key), text(value))
			return err
		}
		child, name := bucket.Bucket(key), path+"/"+text(key)
		fmt.Fprintf(out, "bucket %s %d\n", name, child.Sequence())
		return dumpBucket(out, name, child)
	})
}

func dumpCommand(args []string) error {
	db, err := readOnly(args[0])
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	if err := dump(db, out); err != nil {
		return err
	}
	return out.Flush()
}

func check(db *bolt.DB) (errs []string) {
	_ = db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			errs = append(errs, err.Error())
		}
		return nil
	})
	return errs
}

func checkCommand(args []string) error {
	db, err := readOnly(args[0])
	if err != nil {
		return err
	}
	if errs := check(db); len(errs) > 0 {
		return fmt.Errorf("%s", strings.Join(errs, "\n"))
	}
	return nil
}

// inspectOne answers for a file that may make bolt panic, fault, loop or eat all memory.
func inspectOne(name string) error {
	limit := syscall.Rlimit{Cur: 4 << 30, Max: 4 << 30}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		return err
	}
	db, err := readOnly(name)
	if err != nil {
		fmt.Printf("refused\t%v\n", err)
		return nil
	}
	if errs := check(db); len(errs) > 0 {
		fmt.Printf("unsound\t%s\n", errs[0])
		return nil
	}
	sum := sha256.New()
	if err := dump(db, sum); err != nil {
		return err
	}
	fmt.Printf("sound\t%x\n", sum.Sum(nil))
	return nil
}

func inspectAll() error {
	names := bufio.NewScanner(os.Stdin)
	for names.Scan() {
		answer := guarded(names.Text())
		fmt.Printf("%s\t%s\n", names.Text(), answer)
	}
	return names.Err()
}

func guarded(name string) string {
	self, err := os.Executable()
	if err != nil {
		return "crashed\t" + err.Error()
	}
	child := exec.Command(self, "inspect-one", name)
	var out, errs strings.Builder
	child.Stdout, child.Stderr = &out, &errs
	if err := child.Start(); err != nil {
		return "crashed\t" + err.Error()
	}
	timer := time.AfterFunc(5*time.Second, func() { _ = child.Process.Kill() })
	err = child.Wait()
	timer.Stop()
	if err != nil {
		why := strings.SplitN(errs.String(), "\n", 2)[0]
		return fmt.Sprintf("crashed\t%v %s", err, strings.ReplaceAll(why, "\t", " "))
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func makeCommand(args []string) error {
	flags := flag.NewFlagSet("make", flag.ExitOnError)
	kind := flags.String("kind", "churn", "what the database has been through")
	page := flags.Int("page", 4096, "page size in bytes")
	nofreelist := flags.Bool("nofreelist", false, "do not sync the freelist")
	seed := flags.Int64("seed", 1, "seed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := bolt.Options{PageSize: *page, NoFreelistSync: *nofreelist, NoSync: true, NoGrowSync: true}
	return build(flags.Arg(0), *kind, *seed, &options)
}

func writeCommand(args []string) error {
	flags := flag.NewFlagSet("write", flag.ExitOnError)
	seconds := flags.Float64("seconds", 120, "how long to write at most; it ends when stdin does")
	nosync := flags.Bool("nosync", false, "no fsync")
	nofreelist := flags.Bool("nofreelist", false, "do not sync the freelist")
	mib := flags.Int("mib", 0, "ballast")
	pause := flags.Duration("pause", 0, "between commits")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := bolt.Options{NoFreelistSync: *nofreelist, NoSync: *nosync}
	return write(flags.Arg(0), *seconds, *mib, *pause, &options)
}
