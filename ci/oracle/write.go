package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	accounts = 100
	balance  = 1000
)

// write commits as fast as it can, or with pauses, until stdin ends. What every state of the database keeps:
// "pair" has the same value for "left" and "right"; the values in "accounts" sum to 100,000.
func write(name string, seconds float64, mib int, pause time.Duration, options *bolt.Options) error {
	db, err := bolt.Open(name, 0o600, options)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewSource(1))
	if err := db.Update(func(tx *bolt.Tx) error { return begin(tx, mib) }); err != nil {
		return err
	}
	fmt.Println("ready")
	var stop atomic.Bool
	time.AfterFunc(time.Duration(seconds*float64(time.Second)), func() { stop.Store(true) })
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop.Store(true)
	}()
	commits := uint64(0)
	for !stop.Load() {
		if err := db.Update(func(tx *bolt.Tx) error { return transfer(tx, commits, random) }); err != nil {
			return err
		}
		commits++
		time.Sleep(pause)
	}
	fmt.Println("commits", commits)
	return db.Close()
}

func number(n uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, n)
}

func begin(tx *bolt.Tx, mib int) error {
	for _, name := range []string{"accounts", "ballast", "churn", "pair"} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	for i := uint64(0); i < accounts; i++ {
		if err := tx.Bucket([]byte("accounts")).Put(number(i), number(balance)); err != nil {
			return err
		}
	}
	for i := 0; i < mib*512; i++ {
		if err := tx.Bucket([]byte("ballast")).Put(number(uint64(i)), make([]byte, 2000)); err != nil {
			return err
		}
	}
	return set(tx, 0)
}

func set(tx *bolt.Tx, count uint64) error {
	pair := tx.Bucket([]byte("pair"))
	if err := pair.Put([]byte("left"), number(count)); err != nil {
		return err
	}
	return pair.Put([]byte("right"), number(count))
}

func transfer(tx *bolt.Tx, count uint64, random *rand.Rand) error {
	book := tx.Bucket([]byte("accounts"))
	from, to := number(uint64(random.Intn(accounts))), number(uint64(random.Intn(accounts)))
	amount := uint64(random.Intn(10))
	if held := binary.BigEndian.Uint64(book.Get(from)); held < amount {
		amount = held
	}
	if err := book.Put(from, number(binary.BigEndian.Uint64(book.Get(from))-amount)); err != nil {
		return err
	}
	if err := book.Put(to, number(binary.BigEndian.Uint64(book.Get(to))+amount)); err != nil {
		return err
	}
	// Values of all sizes come and go, so that pages are freed and reused all the time.
	churned := tx.Bucket([]byte("churn"))
	for i := 0; i < 4; i++ {
		if err := churned.Put(number(uint64(random.Intn(500))), bytes(random, random.Intn(9000))); err != nil {
			return err
		}
		if err := churned.Delete(number(uint64(random.Intn(500)))); err != nil {
			return err
		}
	}
	return set(tx, count)
}
