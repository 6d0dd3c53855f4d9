import { routes } from "../routes.ts";
import { EmptyState } from "../components/empty-state.tsx";

export function NotFound() {
  return (
    <EmptyState isPage title="There is no such page">
      <a href={routes.overview}>Go to the overview</a>
    </EmptyState>
  );
}
