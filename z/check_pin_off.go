//go:build !zmem_check && gc && !zmem_nolinkname && !leak

package z

func checkCaches() {}
