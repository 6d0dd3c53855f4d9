import { EmptyState } from "../../components/empty-state.tsx";
import { usePageTitle } from "../../components/page-title.ts";

export default function TimeChartPage({ parent }: { parent: string }) {
  usePageTitle(`${parent}: time`);
  return <EmptyState isPage title={parent} />;
}
