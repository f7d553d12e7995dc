package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	provisionerName = "ringkv.test/host-path"
	// Set by the scheduler once it knows where a pod will run, for classes that wait for that.
	selectedNode = "volume.kubernetes.io/selected-node"
	// By which the persistent volume controller knows that the volume is not its own to delete.
	provisionedBy = "pv.kubernetes.io/provisioned-by"
)

// newVolumeProvisionerCommand makes the program that makes a directory of this machine of every
// claim. Kubernetes' own host path provisioner does not do: its directories can only be written
// by root, and it knows neither ReadWriteOncePod nor expansion.
func newVolumeProvisionerCommand() *cobra.Command {
	var kubeconfig, directory string
	command := &cobra.Command{
		Use: "volume-provisioner",
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			newProvisioner(client, directory).run(command.Context())
			return nil
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	command.Flags().StringVar(&directory, "directory", "", "where the volumes are made")
	return command
}

type provisioner struct {
	client    kubernetes.Interface
	directory string
	factory   informers.SharedInformerFactory
	// Holds something while there may be work. What there is to do is found by looking at
	// everything: there are few claims in a test cluster.
	changed chan struct{}
}

func newProvisioner(client kubernetes.Interface, directory string) *provisioner {
	return &provisioner{
		client:    client,
		directory: directory,
		factory:   informers.NewSharedInformerFactory(client, 0),
		changed:   make(chan struct{}, 1),
	}
}

func (p *provisioner) run(ctx context.Context) {
	notify := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { p.notify() },
		UpdateFunc: func(any, any) { p.notify() },
		DeleteFunc: func(any) { p.notify() },
	}
	_, _ = p.factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(notify)
	_, _ = p.factory.Core().V1().PersistentVolumes().Informer().AddEventHandler(notify)
	_, _ = p.factory.Storage().V1().StorageClasses().Informer().AddEventHandler(notify)
	p.factory.Start(ctx.Done())
	p.factory.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
		}
		if err := p.reconcile(ctx); err != nil {
			klog.ErrorS(err, "Trying again in a second")
			time.AfterFunc(time.Second, p.notify)
		}
	}
}

func (p *provisioner) notify() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *provisioner) reconcile(ctx context.Context) error {
	claims, err := p.factory.Core().V1().PersistentVolumeClaims().Lister().List(labels.Everything())
	if err != nil {
		return err
	}
	for _, claim := range claims {
		class := p.classOf(claim)
		if class == nil || claim.DeletionTimestamp != nil {
			continue
		}
		if claim.Spec.VolumeName == "" {
			err = p.provision(ctx, claim, class)
		} else {
			err = p.expand(ctx, claim)
		}
		if err != nil {
			return err
		}
	}
	volumes, err := p.factory.Core().V1().PersistentVolumes().Lister().List(labels.Everything())
	if err != nil {
		return err
	}
	for _, volume := range volumes {
		if err := p.reclaim(ctx, volume); err != nil {
			return err
		}
	}
	return nil
}

// classOf returns the storage class of the claim if it is one of ours.
func (p *provisioner) classOf(claim *core.PersistentVolumeClaim) *storage.StorageClass {
	if claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := p.factory.Storage().V1().StorageClasses().Lister().Get(*claim.Spec.StorageClassName)
	if err != nil || class.Provisioner != provisionerName {
		return nil
	}
	return class
}

func (p *provisioner) provision(
	ctx context.Context, claim *core.PersistentVolumeClaim, class *storage.StorageClass,
) error {
	waits := class.VolumeBindingMode != nil &&
		*class.VolumeBindingMode == storage.VolumeBindingWaitForFirstConsumer
	if waits && claim.Annotations[selectedNode] == "" {
		return nil
	}
	name := "pvc-" + string(claim.UID)
	path := filepath.Join(p.directory, name)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	// Pods need not run as root, and kubelet does not change the owner of host paths. This is
	// apart from MkdirAll because of the umask.
	if err := os.Chmod(path, 0o777); err != nil {
		return err
	}
	kind := core.HostPathDirectory
	volume := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{provisionedBy: provisionerName},
		},
		Spec: core.PersistentVolumeSpec{
			AccessModes: claim.Spec.AccessModes,
			Capacity: core.ResourceList{
				core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage],
			},
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1",
				Kind:       "PersistentVolumeClaim",
				Namespace:  claim.Namespace,
				Name:       claim.Name,
				UID:        claim.UID,
			},
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			PersistentVolumeSource: core.PersistentVolumeSource{
				HostPath: &core.HostPathVolumeSource{Path: path, Type: &kind},
			},
			StorageClassName: class.Name,
			VolumeMode:       claim.Spec.VolumeMode,
		},
	}
	_, err := p.client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// expand grants what a bound claim asks for beyond what it has. A directory needs no more.
func (p *provisioner) expand(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	wanted := claim.Spec.Resources.Requests[core.ResourceStorage]
	has := claim.Status.Capacity[core.ResourceStorage]
	if claim.Status.Phase != core.ClaimBound || wanted.Cmp(has) <= 0 {
		return nil
	}
	volume, err := p.factory.Core().V1().PersistentVolumes().Lister().Get(claim.Spec.VolumeName)
	if err != nil || volume.Annotations[provisionedBy] != provisionerName {
		return nil
	}
	if wanted.Cmp(volume.Spec.Capacity[core.ResourceStorage]) > 0 {
		volume = volume.DeepCopy()
		volume.Spec.Capacity[core.ResourceStorage] = wanted
		volumes := p.client.CoreV1().PersistentVolumes()
		if _, err := volumes.Update(ctx, volume, meta.UpdateOptions{}); err != nil {
			return err
		}
	}
	claim = claim.DeepCopy()
	claim.Status.Capacity[core.ResourceStorage] = wanted
	claims := p.client.CoreV1().PersistentVolumeClaims(claim.Namespace)
	_, err = claims.UpdateStatus(ctx, claim, meta.UpdateOptions{})
	return err
}

// reclaim deletes a volume whose claim is gone, unless its class keeps it.
func (p *provisioner) reclaim(ctx context.Context, volume *core.PersistentVolume) error {
	if volume.Annotations[provisionedBy] != provisionerName ||
		volume.Status.Phase != core.VolumeReleased || volume.DeletionTimestamp != nil ||
		volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(p.directory, volume.Name)); err != nil {
		return err
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
