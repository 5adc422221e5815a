// Resident set of a process that holds a bucket as the Go plugin opa-nats does: each value parsed, in OPA's own store.
//
//	opa-store -url nats://127.0.0.1:4222 -bucket keys
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"
)

// A transaction of OPA's store looks at all of its writes for each new one.
const writesPerTransaction = 100

func main() {
	url := flag.String("url", nats.DefaultURL, "NATS server")
	bucket := flag.String("bucket", "", "bucket")
	flag.Parse()

	ctx := context.Background()
	connection, err := nats.Connect(*url)
	check(err)
	js, err := jetstream.New(connection)
	check(err)
	kv, err := js.KeyValue(ctx, *bucket)
	check(err)
	watcher, err := kv.WatchAll(ctx)
	check(err)

	// As OPA's server makes it.
	store := inmem.NewWithOpts(inmem.OptRoundTripOnWrite(false))
	root := storage.Path{"nats", "kv", *bucket}
	keys := 0
	var batch []jetstream.KeyValueEntry
	flush := func() {
		check(storage.Txn(ctx, store, storage.WriteParams, func(txn storage.Transaction) error {
			if err := storage.MakeDir(ctx, store, txn, root); err != nil {
				return err
			}
			for _, entry := range batch {
				if err := write(ctx, store, txn, root, entry); err != nil {
					return err
				}
			}
			return nil
		}))
		batch = batch[:0]
	}
	// The nil between the bucket as it was and what follows.
	for entry := range watcher.Updates() {
		if entry == nil {
			break
		}
		keys++
		batch = append(batch, entry)
		if len(batch) == writesPerTransaction {
			flush()
		}
	}
	flush()
	for range 4 {
		runtime.GC()
		time.Sleep(100 * time.Millisecond)
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]int{"keys": keys, "rss_bytes": resident()}))
	runtime.KeepAlive(store)
}

func write(ctx context.Context, store storage.Store, txn storage.Transaction, root storage.Path, entry jetstream.KeyValueEntry) error {
	var value any
	if err := util.UnmarshalJSON(entry.Value(), &value); err != nil {
		return err
	}
	path := append(append(storage.Path{}, root...), strings.Split(entry.Key(), ".")...)
	if err := storage.MakeDir(ctx, store, txn, path[:len(path)-1]); err != nil {
		return err
	}
	return store.Write(ctx, txn, storage.AddOp, path, value)
}

// What the process has of the machine's memory, in bytes.
func resident() int {
	text, err := os.ReadFile("/proc/self/statm")
	check(err)
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		check(errors.Join(errors.New("/proc/self/statm"), err))
	}
	return pages * os.Getpagesize()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
