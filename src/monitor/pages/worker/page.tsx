import { EmptyState } from "../../components/empty-state.tsx";
import { usePageTitle } from "../../components/page-title.ts";

export default function WorkerPage({ name }: { name: string }) {
  usePageTitle(name);
  return <EmptyState isPage title={name} />;
}
