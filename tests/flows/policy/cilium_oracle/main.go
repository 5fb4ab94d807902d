// Command cilium-oracle answers what Cilium itself would decide: one cluster in on each line, its verdicts out.
//
// Nothing of the agent is imitated. An object goes through Sanitize and Parse of its own type, toServices through
// ResolveToServices, a NetworkPolicy through ParseNetworkPolicy; the entries fill a policy repository, and a verdict is
// a look-up in the map state that the datapath would get.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/cilium/statedb"

	cmtypes "github.com/cilium/cilium/pkg/clustermesh/types"
	"github.com/cilium/cilium/pkg/crypto/certificatemanager"
	"github.com/cilium/cilium/pkg/endpoint/regeneration"
	envoypolicy "github.com/cilium/cilium/pkg/envoy/policy"
	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/identity/identitymanager"
	"github.com/cilium/cilium/pkg/k8s"
	v2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	slim "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/loadbalancer"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	policyk8s "github.com/cilium/cilium/pkg/policy/k8s"
	"github.com/cilium/cilium/pkg/policy/types"
	policyutils "github.com/cilium/cilium/pkg/policy/utils"
	pkgtypes "github.com/cilium/cilium/pkg/types"
	"github.com/cilium/cilium/pkg/u8proto"
)

// Cluster is one line of input. Local is policy-default-local-cluster, on since 1.19.
type Cluster struct {
	Name       string            `json:"name"`
	Local      bool              `json:"local"`
	Policies   []json.RawMessage `json:"policies"`
	Services   []Service         `json:"services"`
	Identities []Identity        `json:"identities"`
	Questions  []Question        `json:"questions"`
}

type Service struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
	Selector  map[string]string `json:"selector"`
	Addresses []string          `json:"addresses"`
}

// Identity is one endpoint: a pod, or whatever has only reserved labels or an address.
type Identity struct {
	ID     uint32                       `json:"id"`
	Labels []string                     `json:"labels"`
	IP     string                       `json:"ip"`
	Names  []string                     `json:"names"`
	Ports  map[string]map[string]uint16 `json:"ports"` // "TCP" -> name -> number
	Pod    bool                         `json:"pod"`
}

// Question names two identities by their place in the list.
type Question struct {
	From  int    `json:"from"`
	To    int    `json:"to"`
	Proto string `json:"proto"`
	Port  uint16 `json:"port"`
}

// Answer has one letter for each question: a(llowed), e(gress denied), i(ngress denied), b(oth denied).
type Answer struct {
	Refused  map[int]string `json:"refused"` // place of a policy -> what Cilium says
	Verdicts string         `json:"verdicts"`
	Error    string         `json:"error,omitempty"`
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func main() {
	option.Config.EnableIPv4, option.Config.EnableIPv6 = true, true
	option.Config.UnsafeDaemonConfigOption.AllowLocalhost = option.AllowLocalhostAlways
	option.Config.EnableL7Proxy = true
	option.Config.EnableICMPRules = true
	option.Config.EnableNonDefaultDenyPolicies = true
	policy.SetPolicyEnabled(option.DefaultEnforcement)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<28)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		if err := out.Encode(answer(in.Bytes())); err != nil {
			os.Exit(1)
		}
	}
}

func answer(line []byte) (found Answer) {
	defer func() {
		if r := recover(); r != nil {
			found = Answer{Error: fmt.Sprint(r)}
		}
	}()
	var cluster Cluster
	if err := json.Unmarshal(line, &cluster); err != nil {
		return Answer{Error: err.Error()}
	}
	api.InitEntities(cluster.Name)
	world := newWorld(cluster)
	var verdicts strings.Builder
	for _, question := range cluster.Questions {
		verdicts.WriteByte(world.verdict(question))
	}
	return Answer{Refused: world.refused, Verdicts: verdicts.String()}
}

type world struct {
	cluster Cluster
	refused map[int]string
	repo    *policy.Repository
	ids     []*identity.Identity
	ports   pkgtypes.NamedPortMultiMap
	known   map[int]*policy.EndpointPolicy
}

func newWorld(cluster Cluster) *world {
	w := &world{cluster: cluster, refused: map[int]string{}, known: map[int]*policy.EndpointPolicy{}}
	entries := w.entries()
	w.identify(entries)
	all := identity.IdentityMap{}
	for _, id := range w.ids {
		all[id.ID] = id.LabelArray
	}
	translator := envoypolicy.NewEnvoyL7RulesTranslator(quiet, certificatemanager.NewMockSecretManagerInline())
	w.repo = policy.NewPolicyRepository(
		quiet, nil, nil, translator, identitymanager.NewIDManager(quiet), noMetrics{})
	w.repo.SetNamedPortsGetter(w)
	wait := &sync.WaitGroup{}
	w.repo.GetSelectorCache().UpdateIdentities(all, nil, wait)
	wait.Wait()
	subjects := identity.IdentityMap{}
	for _, id := range w.ids {
		subjects[id.ID] = id.LabelArray
	}
	w.repo.UpdateIdentities(subjects, nil)
	w.repo.MustAddPolicyEntries(entries)
	return w
}

// GetNamedPorts implements policy.NamedPortsGetter.
func (w *world) GetNamedPorts() pkgtypes.NamedPortMultiMap { return w.ports }

func (w *world) clusterForPolicies() string {
	if w.cluster.Local {
		return w.cluster.Name
	}
	return cmtypes.PolicyAnyCluster
}

func (w *world) entries() types.PolicyEntries {
	db := statedb.New()
	services, backends := w.tables(db)
	var found types.PolicyEntries
	for place, raw := range w.cluster.Policies {
		entries, err := w.parse(raw, db, services, backends)
		if err != nil {
			w.refused[place] = err.Error()
			continue
		}
		found = append(found, entries...)
	}
	return found
}

func (w *world) parse(
	raw json.RawMessage, db *statedb.DB,
	services statedb.Table[*loadbalancer.Service], backends statedb.Table[*loadbalancer.Backend],
) (types.PolicyEntries, error) {
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	if head.Kind == "NetworkPolicy" {
		var np slim.NetworkPolicy
		if err := json.Unmarshal(raw, &np); err != nil {
			return nil, err
		}
		return k8s.ParseNetworkPolicy(quiet, w.clusterForPolicies(), &np)
	}
	var cnp v2.CiliumNetworkPolicy
	if err := json.Unmarshal(raw, &cnp); err != nil {
		return nil, err
	}
	policyk8s.ResolveToServices(db.ReadTxn(), services, backends, &cnp)
	rules, err := cnp.Parse(quiet, w.clusterForPolicies())
	if err != nil {
		return nil, err
	}
	return policyutils.RulesToPolicyEntries(rules), nil
}

func (w *world) tables(db *statedb.DB) (statedb.RWTable[*loadbalancer.Service], statedb.RWTable[*loadbalancer.Backend]) {
	services, err := loadbalancer.NewServicesTable(loadbalancer.DefaultConfig, db)
	must(err)
	backends, err := loadbalancer.NewBackendsTable(db)
	must(err)
	txn := db.WriteTxn(services, backends)
	for _, each := range w.cluster.Services {
		name := loadbalancer.NewServiceName(each.Namespace, each.Name)
		_, _, err := services.Insert(txn, &loadbalancer.Service{
			Name: name, Labels: labels.Map2Labels(each.Labels, labels.LabelSourceK8s), Selector: each.Selector,
		})
		must(err)
		for _, ip := range each.Addresses {
			address := cmtypes.MustParseAddrCluster(ip)
			_, _, err := backends.Insert(txn, &loadbalancer.Backend{
				ServiceName: name,
				Address:     loadbalancer.NewL3n4Addr(loadbalancer.TCP, address, 443, loadbalancer.ScopeExternal),
			})
			must(err)
		}
	}
	txn.Commit()
	return services, backends
}

// identify makes the identities; an address outside gets the label of every name that led to it, as the DNS proxy does.
func (w *world) identify(entries types.PolicyEntries) {
	ports := pkgtypes.NewNamedPortMultiMap()
	for _, each := range w.cluster.Identities {
		found := labels.NewLabelsFromModel(each.Labels)
		if each.IP != "" {
			address := netip.MustParseAddr(each.IP)
			found.MergeLabels(labels.GetCIDRLabels(netip.PrefixFrom(address, address.BitLen())))
		}
		for _, label := range namesOf(each, entries) {
			found[label.String()] = label
		}
		id := identity.NewIdentity(identity.NumericIdentity(each.ID), found)
		w.ids = append(w.ids, id)
		ports.Update(id.ID, nil, portsOf(each))
	}
	w.ports = ports
}

func namesOf(one Identity, entries types.PolicyEntries) (found []labels.Label) {
	for _, entry := range entries {
		for _, selector := range entry.L3 {
			fqdn, ok := selector.GetFQDNSelector()
			if !ok {
				continue
			}
			pattern, err := fqdn.ToRegex()
			must(err)
			for _, name := range one.Names {
				if pattern.MatchString(strings.ToLower(name) + ".") {
					found = append(found, fqdn.IdentityLabel())
				}
			}
		}
	}
	return found
}

func portsOf(one Identity) pkgtypes.NamedPortMap {
	found := pkgtypes.NamedPortMap{}
	for proto, named := range one.Ports {
		for name, port := range named {
			must(found.AddPort(name, int(port), proto))
		}
	}
	return found
}

func (w *world) verdict(question Question) byte {
	proto, err := u8proto.ParseProtocol(question.Proto)
	must(err)
	from, to := w.cluster.Identities[question.From], w.cluster.Identities[question.To]
	egress, ingress := true, true
	if from.Pod {
		key := policy.EgressKey().WithIdentity(w.ids[question.To].ID).WithPortProto(proto, question.Port)
		entry, _, _ := w.policyOf(question.From).Lookup(key)
		egress = !entry.IsDeny()
	}
	if to.Pod {
		key := policy.IngressKey().WithIdentity(w.ids[question.From].ID).WithPortProto(proto, question.Port)
		entry, _, _ := w.policyOf(question.To).Lookup(key)
		ingress = !entry.IsDeny()
	}
	switch {
	case egress && ingress:
		return 'a'
	case ingress:
		return 'e'
	case egress:
		return 'i'
	default:
		return 'b'
	}
}

func (w *world) policyOf(place int) *policy.EndpointPolicy {
	if found, ok := w.known[place]; ok {
		return found
	}
	selected, _, err := w.repo.ComputeSelectorPolicy(w.ids[place])
	must(err)
	redirects := map[string]uint16{policy.FallbackRedirectID: math.MaxUint16}
	found := selected.DistillPolicy(quiet, &owner{w.ids[place], portsOf(w.cluster.Identities[place])}, redirects)
	must(found.Ready())
	w.known[place] = found
	return found
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// owner is the endpoint that a policy is distilled for.
type owner struct {
	id    *identity.Identity
	ports pkgtypes.NamedPortMap
}

func (o *owner) GetID() uint64 { return uint64(o.id.ID) }

func (o *owner) GetIngressNamedPort(name string, proto u8proto.U8proto) uint16 {
	port, err := o.ports.GetNamedPort(name, proto)
	if err != nil {
		return 0
	}
	return port
}

func (o *owner) PolicyDebug(string, ...any) {}

func (o *owner) IsHost() bool { return false }

func (o *owner) PreviousMapStateSizes() policy.MapStateSizes { return policy.MapStateSizes{} }

func (o *owner) RegenerateIfAlive(*regeneration.ExternalRegenerationMetadata) <-chan bool {
	done := make(chan bool)
	close(done)
	return done
}

type noMetrics struct{}

func (noMetrics) AddRule(types.PolicyEntry) {}
func (noMetrics) DelRule(types.PolicyEntry) {}
