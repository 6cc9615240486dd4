package main

import (
	"fmt"
	"math/rand"
	"os"

	bolt "go.etcd.io/bbolt"
)

// build makes a database of a kind. Each kind leaves another shape of tree, freelist or meta pages behind.
func build(name, kind string, seed int64, options *bolt.Options) error {
	builders := map[string]func(*bolt.DB, *rand.Rand) error{
		"empty":    func(*bolt.DB, *rand.Rand) error { return nil },
		"small":    small,
		"churn":    churn,
		"emptied":  emptied,
		"inline":   inline,
		"big":      big,
		"deep":     deep,
		"freelist": freelist,
		"backup":   churn,
	}
	builder := builders[kind]
	if builder == nil {
		return fmt.Errorf("no kind %q", kind)
	}
	db, err := bolt.Open(name, 0o600, options)
	if err != nil {
		return err
	}
	if err := builder(db, rand.New(rand.NewSource(seed))); err != nil {
		return err
	}
	if kind == "backup" {
		if err := backup(db, name, options); err != nil {
			return err
		}
	}
	return db.Close()
}

func bytes(random *rand.Rand, length int) []byte {
	data := make([]byte, length)
	random.Read(data)
	return data
}

// churn puts, updates and deletes keys and buckets in many transactions, some of them rolled back.
func churn(db *bolt.DB, random *rand.Rand) error {
	for round := 0; round < 60; round++ {
		tx, err := db.Begin(true)
		if err != nil {
			return err
		}
		for step := 0; step < 60; step++ {
			if err := churnStep(tx, random); err != nil {
				return err
			}
		}
		if round%7 == 3 {
			err = tx.Rollback()
		} else {
			err = tx.Commit()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func churnStep(tx *bolt.Tx, random *rand.Rand) error {
	top, err := tx.CreateBucketIfNotExists([]byte(fmt.Sprintf("top-%d", random.Intn(3))))
	if err != nil {
		return err
	}
	name := []byte(fmt.Sprintf("child-%03d", random.Intn(40)))
	if random.Intn(10) == 0 {
		if err := top.DeleteBucket(name); err != nil && err != bolt.ErrBucketNotFound {
			return err
		}
		return nil
	}
	child, err := top.CreateBucketIfNotExists(name)
	if err != nil {
		return err
	}
	if _, err := child.NextSequence(); err != nil {
		return err
	}
	for i := 0; i < 8; i++ {
		key := []byte(fmt.Sprintf("key-%04d", random.Intn(300)))
		if random.Intn(3) == 0 {
			err = child.Delete(key)
		} else {
			err = child.Put(key, bytes(random, random.Intn(120)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// small has one of everything: a branch, overflow pages, nested and inline buckets, free pages.
func small(db *bolt.DB, random *rand.Rand) error {
	for round := 0; round < 3; round++ {
		step := func(tx *bolt.Tx) error {
			top, err := tx.CreateBucketIfNotExists([]byte("top"))
			if err != nil {
				return err
			}
			for i := 0; i < 16; i++ {
				if err := top.Put([]byte(fmt.Sprintf("key-%02d", i*round)), bytes(random, 20)); err != nil {
					return err
				}
			}
			inner, err := top.CreateBucketIfNotExists([]byte("inner"))
			if err != nil {
				return err
			}
			if err := inner.Put([]byte("large"), bytes(random, 700)); err != nil {
				return err
			}
			inline, err := inner.CreateBucketIfNotExists([]byte("inline"))
			if err != nil {
				return err
			}
			return inline.Put([]byte("k"), []byte("v"))
		}
		if err := db.Update(step); err != nil {
			return err
		}
	}
	return nil
}

// emptied fills buckets and deletes all their keys again, in the order least convenient for rebalancing.
func emptied(db *bolt.DB, random *rand.Rand) error {
	key := func(i int) []byte { return []byte(fmt.Sprintf("key-%05d", i)) }
	fill := func(tx *bolt.Tx) error {
		for _, name := range []string{"all", "most"} {
			bucket, err := tx.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			for i := 0; i < 3000; i++ {
				if err := bucket.Put(key(i), bytes(random, 50)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := db.Update(fill); err != nil {
		return err
	}
	order := random.Perm(3000)
	for from := 0; from < 3000; from += 250 {
		drain := func(tx *bolt.Tx) error {
			for at, i := range order[from : from+250] {
				if err := tx.Bucket([]byte("all")).Delete(key(i)); err != nil {
					return err
				}
				if (from+at)%50 != 0 {
					if err := tx.Bucket([]byte("most")).Delete(key(i)); err != nil {
						return err
					}
				}
			}
			return nil
		}
		if err := db.Update(drain); err != nil {
			return err
		}
	}
	return nil
}

// inline makes buckets of sizes around the one up to which they stay within their parent's page.
func inline(db *bolt.DB, random *rand.Rand) error {
	return db.Update(func(tx *bolt.Tx) error {
		for size := 0; size < db.Info().PageSize/2; size += 3 {
			bucket, err := tx.CreateBucket([]byte(fmt.Sprintf("bucket-%05d", size)))
			if err != nil {
				return err
			}
			if size == 0 {
				continue
			}
			if err := bucket.Put([]byte("k"), bytes(random, size)); err != nil {
				return err
			}
		}
		return nil
	})
}

// big makes values around multiples of the page size, the longest keys, and bucket names beyond them.
func big(db *bolt.DB, random *rand.Rand) error {
	page := db.Info().PageSize
	values := func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte("values"))
		if err != nil {
			return err
		}
		for i := 0; i < 60; i++ {
			size := (1+random.Intn(8))*page - 80 + random.Intn(100)
			if err := bucket.Put([]byte(fmt.Sprintf("key-%02d", random.Intn(90))), bytes(random, size)); err != nil {
				return err
			}
		}
		return bucket.Put([]byte("large"), bytes(random, 3<<20))
	}
	keys := func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("keys"))
		if err != nil {
			return err
		}
		for i := 0; i < 40; i++ {
			if err := bucket.Put(bytes(random, bolt.MaxKeySize-i), []byte("v")); err != nil {
				return err
			}
		}
		_, err = bucket.CreateBucket(bytes(random, 40000))
		return err
	}
	for _, step := range []func(*bolt.Tx) error{values, keys, values, values} {
		if err := db.Update(step); err != nil {
			return err
		}
	}
	return nil
}

// deep nests buckets.
func deep(db *bolt.DB, random *rand.Rand) error {
	return db.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("0"))
		for i := 1; i < 60 && err == nil; i++ {
			if err = bucket.Put([]byte("key"), bytes(random, 30)); err == nil {
				bucket, err = bucket.CreateBucket([]byte(fmt.Sprint(i)))
			}
		}
		return err
	})
}

// freelist leaves more free pages than a page header can count.
func freelist(db *bolt.DB, random *rand.Rand) error {
	ballast := []byte("ballast")
	fill := func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket(ballast)
		if err != nil {
			return err
		}
		for i := 0; i < 70; i++ {
			value := make([]byte, 1000*db.Info().PageSize)
			if err := bucket.Put([]byte(fmt.Sprintf("key-%03d", i)), value); err != nil {
				return err
			}
		}
		return nil
	}
	drop := func(tx *bolt.Tx) error { return tx.DeleteBucket(ballast) }
	if err := db.Update(fill); err != nil {
		return err
	}
	if err := db.Update(drop); err != nil {
		return err
	}
	return churn(db, random)
}

// backup puts a copy made by an odd transaction in the file's place and commits to it once: then the distance
// of the two meta pages is two, and neither stands where its number says.
func backup(db *bolt.DB, name string, options *bolt.Options) error {
	odd := false
	for !odd {
		if err := db.Update(func(tx *bolt.Tx) error { return put(tx, "turn") }); err != nil {
			return err
		}
		if err := db.View(func(tx *bolt.Tx) error { odd = tx.ID()%2 == 1; return nil }); err != nil {
			return err
		}
	}
	copied := name + ".copy"
	if err := db.View(func(tx *bolt.Tx) error { return tx.CopyFile(copied, 0o600) }); err != nil {
		return err
	}
	restored, err := bolt.Open(copied, 0o600, options)
	if err != nil {
		return err
	}
	if err := restored.Update(func(tx *bolt.Tx) error { return put(tx, "after") }); err != nil {
		return err
	}
	if err := restored.Close(); err != nil {
		return err
	}
	return os.Rename(copied, name)
}

func put(tx *bolt.Tx, key string) error {
	bucket, err := tx.CreateBucketIfNotExists([]byte("backup"))
	if err != nil {
		return err
	}
	return bucket.Put([]byte(key), []byte("value"))
}
